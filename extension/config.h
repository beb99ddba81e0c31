/*
 * config.h
 *		The settings (GUCs) of pg_intake.
 */
#ifndef INTAKE_CONFIG_H
#define INTAKE_CONFIG_H

extern int intake_config_executors;     /* per workflow owner */
extern int intake_config_max_workers;   /* in the server, all kinds together */
extern int intake_config_max_lanes;     /* lanes that can be woken */
extern int intake_config_poll_interval; /* milliseconds */
extern int intake_config_max_body_size; /* kilobytes */
extern char *intake_config_key_file;    /* empty: secrets are stored in the clear */
extern bool intake_config_job_synchronous_commit;

extern void intake_config_define(void);

#endif
