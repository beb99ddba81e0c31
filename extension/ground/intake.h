/*
 * intake.h
 *		What the files of the extension that know PostgreSQL share: the error codes, the
 *		names of the tables and their columns, and entry to code that acts as the owner of
 *		the extension.
 *
 * The numbers below are those of the tables in sql/20_configuration.sql, 22_log.sql, 24_rooms.sql,
 * 25_steps.sql, 26_signals.sql and 27_calls.sql; columns.c has the types. The log and the
 * rooms are written straight through the table access method (table.c), so both must be changed together.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include "postgres.h"

#define INTAKE_SCHEMA "intake"
#define INTAKE_EXTENSION "pg_intake"

/* SQLSTATEs that a handler raises. */
#define ERRCODE_INTAKE_PERMANENT MAKE_SQLSTATE('W', 'H', '0', '0', '1')
#define ERRCODE_INTAKE_RETRY_LATER MAKE_SQLSTATE('W', 'H', '0', '0', '2')

/* SQLSTATEs of attempts that no handler has failed. */
#define ERRCODE_INTAKE_CALL_FAILED MAKE_SQLSTATE('W', 'H', '0', '0', '3') /* for good */
#define ERRCODE_INTAKE_STALE_LEASE MAKE_SQLSTATE('W', 'H', '0', '0', '5') /* lost to its holder */
#define ERRCODE_INTAKE_MAX_STEPS MAKE_SQLSTATE('W', 'H', '0', '0', '6')
#define ERRCODE_INTAKE_EXPIRED MAKE_SQLSTATE('W', 'H', '0', '0', '7')
#define ERRCODE_INTAKE_AGAIN MAKE_SQLSTATE('W', 'H', '0', '0', '8') /* a later step sent it back */

/* Longest name of a step, in bytes, and the name of the first one. */
#define INTAKE_MAX_STEP 100
#define INTAKE_FIRST_STEP "start"

/* Rows in a partition of event and of done. */
#define INTAKE_PARTITION_ROWS INT64CONST(1000000)

/* Longest key and type of an event, in bytes. */
#define INTAKE_MAX_KEY 1024
#define INTAKE_MAX_TYPE 256

/* Largest header block and query of a request, in bytes. The shim takes less. */
#define INTAKE_MAX_HEAD (256 * 1024)

/* The internal source. Its events without a key of their own have this and their id as key. */
#define INTAKE_SOURCE_INTERNAL 0
#define INTAKE_MADE_KEY "emit/"
#define INTAKE_TYPE_JOB_DEAD "job.dead"

typedef enum
{
	Anum_event_id = 1,
	Anum_event_received_at,
	Anum_event_source_id,
	Anum_event_secret_id,
	Anum_event_verified,
	Anum_event_key,
	Anum_event_type,
	Anum_event_headers,
	Anum_event_body,
	Anum_event_delivery_id,
	Anum_event_position,
	Natts_event = Anum_event_position
} EventColumn;

typedef enum
{
	Anum_event_key_event_id = 1,
	Anum_event_key_head,
	Anum_event_key_digest,
	Natts_event_key = Anum_event_key_digest
} EventKeyColumn;

typedef enum
{
	Anum_queue_position = 1,
	Anum_queue_job_id,
	Anum_queue_event_id,
	Anum_queue_lane,
	Anum_queue_attempts,
	Natts_queue = Anum_queue_attempts
} QueueColumn;

typedef enum
{
	Anum_delayed_run_at = 1,
	Anum_delayed_job_id,
	Anum_delayed_event_id,
	Anum_delayed_lane,
	Anum_delayed_attempts,
	Natts_delayed = Anum_delayed_attempts
} DelayedColumn;

typedef enum
{
	Anum_running_job_id = 1,
	Anum_running_event_id,
	Anum_running_lease,
	Anum_running_claimed_at,
	Anum_running_lane,
	Anum_running_attempts,
	Natts_running = Anum_running_attempts
} RunningColumn;

typedef enum
{
	Anum_suspect_job_id = 1,
	Anum_suspect_event_id,
	Anum_suspect_lease,
	Anum_suspect_started_at,
	Anum_suspect_lane,
	Anum_suspect_attempts,
	Anum_suspect_crashes,
	Natts_suspect = Anum_suspect_crashes
} SuspectColumn;

typedef enum
{
	Anum_done_job_id = 1,
	Anum_done_event_id,
	Anum_done_finished_at,
	Anum_done_workflow_id,
	Anum_done_attempts,
	Anum_done_result,
	Natts_done = Anum_done_result
} DoneColumn;

typedef enum
{
	Anum_discarded_job_id = 1,
	Anum_discarded_event_id,
	Anum_discarded_discarded_at,
	Anum_discarded_workflow_id,
	Anum_discarded_attempts,
	Anum_discarded_reason,
	Natts_discarded = Anum_discarded_reason
} DiscardedColumn;

typedef enum
{
	Anum_dead_letter_job_id = 1,
	Anum_dead_letter_event_id,
	Anum_dead_letter_died_at,
	Anum_dead_letter_workflow_id,
	Anum_dead_letter_attempts,
	Anum_dead_letter_sqlstate,
	Anum_dead_letter_error,
	Anum_dead_letter_workflow,
	Anum_dead_letter_step,
	Natts_dead_letter = Anum_dead_letter_step
} DeadLetterColumn;

typedef enum
{
	Anum_attempt_job_id = 1,
	Anum_attempt_started_at,
	Anum_attempt_finished_at,
	Anum_attempt_workflow_id,
	Anum_attempt_attempt,
	Anum_attempt_sqlstate,
	Anum_attempt_error,
	Anum_attempt_step,
	Anum_attempt_call_id,
	Anum_attempt_status,
	Anum_attempt_duration,
	Natts_attempt = Anum_attempt_duration
} AttemptColumn;

typedef enum
{
	Anum_progress_job_id = 1,
	Anum_progress_workflow_id,
	Anum_progress_event_id,
	Anum_progress_step,
	Anum_progress_steps,
	Anum_progress_visits,
	Anum_progress_state,
	Anum_progress_input,
	Anum_progress_first_call,
	Anum_progress_calls,
	Anum_progress_single,
	Anum_progress_failed,
	Anum_progress_started_at,
	Natts_progress = Anum_progress_started_at
} ProgressColumn;

typedef enum
{
	Anum_call_request_job_id = 1,
	Anum_call_request_call_id,
	Anum_call_request_workflow_id,
	Anum_call_request_line_id,
	Anum_call_request_n,
	Anum_call_request_step,
	Anum_call_request_failed,
	Anum_call_request_single,
	Anum_call_request_method,
	Anum_call_request_scheme,
	Anum_call_request_host,
	Anum_call_request_port,
	Anum_call_request_target,
	Anum_call_request_headers,
	Anum_call_request_body,
	Anum_call_request_auth,
	Anum_call_request_secret_id,
	Anum_call_request_milliseconds,
	Anum_call_request_idempotency_key,
	Anum_call_request_options,
	Anum_call_request_traceparent,
	Anum_call_request_created_at,
	Natts_call_request = Anum_call_request_created_at
} CallRequestColumn;

typedef enum
{
	Anum_call_response_job_id = 1,
	Anum_call_response_call_id,
	Anum_call_response_status,
	Anum_call_response_headers,
	Anum_call_response_body,
	Anum_call_response_error,
	Anum_call_response_duration,
	Anum_call_response_ended_at,
	Natts_call_response = Anum_call_response_ended_at
} CallResponseColumn;

typedef enum
{
	Anum_line_id = 1,
	Anum_line_workflow_id,
	Anum_line_host,
	Anum_line_secret_id,
	Anum_line_held_until,
	Anum_line_suspended_at,
	Anum_line_probe_at,
	Anum_line_probes,
	Anum_line_kind,
	Anum_line_error,
	Anum_line_jobs,
	Anum_line_calls,
	Natts_line = Anum_line_calls
} LineColumn;

typedef enum
{
	Anum_call_queue_line_id = 1,
	Anum_call_queue_due_at,
	Anum_call_queue_call_id,
	Anum_call_queue_job_id,
	Anum_call_queue_workflow_id,
	Anum_call_queue_attempts,
	Anum_call_queue_options,
	Natts_call_queue = Anum_call_queue_options
} CallQueueColumn;

typedef enum
{
	Anum_call_held_call_id = 1,
	Anum_call_held_job_id,
	Anum_call_held_line_id,
	Anum_call_held_workflow_id,
	Anum_call_held_courier,
	Anum_call_held_taken_at,
	Anum_call_held_until,
	Anum_call_held_attempts,
	Anum_call_held_options,
	Natts_call_held = Anum_call_held_options
} CallHeldColumn;

typedef enum
{
	Anum_calling_job_id = 1,
	Anum_calling_event_id,
	Anum_calling_lane,
	Anum_calling_attempts,
	Anum_calling_calls,
	Anum_calling_first_call,
	Anum_calling_until,
	Natts_calling = Anum_calling_until
} CallingColumn;

typedef enum
{
	Anum_courier_token = 1,
	Anum_courier_name,
	Anum_courier_role,
	Anum_courier_entered_at,
	Anum_courier_seen_at,
	Anum_courier_until,
	Natts_courier = Anum_courier_until
} CourierColumn;

typedef enum
{
	Anum_call_cancel_courier = 1,
	Anum_call_cancel_call_id,
	Anum_call_cancel_job_id,
	Natts_call_cancel = Anum_call_cancel_job_id
} CallCancelColumn;

typedef enum
{
	Anum_awaiting_job_id = 1,
	Anum_awaiting_event_id,
	Anum_awaiting_lane,
	Anum_awaiting_attempts,
	Anum_awaiting_key,
	Anum_awaiting_until,
	Natts_awaiting = Anum_awaiting_until
} AwaitingColumn;

typedef enum
{
	Anum_signal_key = 1,
	Anum_signal_job_id,
	Anum_signal_signalled_at,
	Anum_signal_payload,
	Natts_signal = Anum_signal_payload
} SignalColumn;

/* Columns of source that are read straight from the table. */
#define Anum_source_id 1
#define Anum_source_name 2

/* The place of a column in an array of a row's values. */
#define INTAKE_COLUMN(values, column) (values)[Anum_##column - 1]

#endif
