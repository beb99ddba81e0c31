/*
 * settings.c
 *		The settings (GUCs) of pg_intake, all under the prefix pg_intake.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "ground/settings.h"

int intake_settings_executors = 2;
int intake_settings_max_workers = 32;
int intake_settings_max_lanes = 16384;
int intake_settings_poll_interval = 30000;
int intake_settings_idle_time = 30000;
int intake_settings_max_body_size = 32 * 1024;
int intake_settings_max_response_size = 16 * 1024;
int intake_settings_max_waiting_calls = 10000;
int intake_settings_max_state_size = 1024;
bool intake_settings_job_synchronous_commit = false;
char *intake_settings_key_file = NULL;
char *intake_settings_public_url = NULL;
bool intake_settings_allow_plain_credentials = false;

static void
define_int(const char *name, const char *description, int *value, int low, int high,
		   GucContext context, int flags)
{
	DefineCustomIntVariable(name, description, NULL, value, *value, low, high, context, flags, NULL,
							NULL, NULL);
}

/* Defines every setting. To be called from _PG_init. */
void
intake_settings_define(void)
{
	define_int("pg_intake.executors", "Executors at most for each role that owns workflows.",
			   &intake_settings_executors, 1, 64, PGC_SIGHUP, 0);
	define_int("pg_intake.max_workers",
			   "Supervisors and executors that the server may run at most.",
			   &intake_settings_max_workers, 1, 1024, PGC_POSTMASTER, 0);
	define_int("pg_intake.max_lanes",
			   "Workflows, in all databases, that can have ready jobs and be known for it.",
			   &intake_settings_max_lanes, 16, 1000000, PGC_POSTMASTER, 0);
	define_int("pg_intake.poll_interval",
			   "How often work is looked for that no commit has announced.",
			   &intake_settings_poll_interval, 100, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("pg_intake.idle_time", "How long a worker without work stays.",
			   &intake_settings_idle_time, 0, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("pg_intake.max_body_size", "Largest body of a request that is accepted.",
			   &intake_settings_max_body_size, 1, 512 * 1024, PGC_SIGHUP, GUC_UNIT_KB);
	define_int("pg_intake.max_response_size", "Largest answer to a call that is taken.",
			   &intake_settings_max_response_size, 1, 512 * 1024, PGC_SIGHUP, GUC_UNIT_KB);
	define_int("pg_intake.max_waiting_calls",
			   "Calls that jobs of a workflow wait for when no other one of it begins.",
			   &intake_settings_max_waiting_calls, 1, PG_INT32_MAX, PGC_SIGHUP, 0);
	define_int("pg_intake.max_state_size", "Largest state that a job keeps from step to step.",
			   &intake_settings_max_state_size, 1, 128 * 1024, PGC_SIGHUP, GUC_UNIT_KB);
	DefineCustomBoolVariable(
		"pg_intake.job_synchronous_commit",
		"Whether a finished job waits for its commit record to reach the disk.",
		"When off, a crash may undo the newest finished jobs, effects and "
		"completion together, and they run once more.",
		&intake_settings_job_synchronous_commit, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"pg_intake.key_file",
		"File with the keys that encrypt the secrets of sources and of calls.",
		"One key in each line; the first one encrypts, all decrypt.", &intake_settings_key_file, "",
		PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"pg_intake.allow_plain_credentials",
		"Whether secrets of calls may go unencrypted, over http and to couriers.",
		"For tests of what has no certificate.", &intake_settings_allow_plain_credentials, false,
		PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_intake.public_url",
							   "Where the shim is reached from outside, for URLs of callbacks.",
							   "Such as https://hooks.example.com.", &intake_settings_public_url,
							   "", PGC_SUSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pg_intake");
}
