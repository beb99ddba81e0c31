/*
 * settings.h
 *		The settings (GUCs) of pg_intake.
 */
#ifndef INTAKE_SETTINGS_H
#define INTAKE_SETTINGS_H

extern int intake_settings_executors;   /* per workflow owner */
extern int intake_settings_max_workers; /* in the server, all kinds together */
extern int intake_settings_max_lanes;   /* lanes that can be woken */
extern int intake_settings_poll_interval;
extern int intake_settings_idle_time;     /* milliseconds */
extern int intake_settings_max_body_size; /* kilobytes */
extern int intake_settings_max_waiting_calls;
extern int intake_settings_max_response_size; /* kilobytes */
extern int intake_settings_max_state_size;    /* kilobytes */
extern char *intake_settings_key_file;        /* empty: secrets are stored in the clear */
extern char *intake_settings_public_url;      /* empty: there are no callbacks */
extern bool intake_settings_allow_plain_credentials;
extern bool intake_settings_job_synchronous_commit;

extern void intake_settings_define(void);

#endif
