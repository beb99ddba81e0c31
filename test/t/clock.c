/*
 * clock.c
 *		For 015_clock.pl, preloaded: adds what stands in the file $INTAKE_CLOCK, a number of
 *		seconds in 8 bytes, to the time of day. The monotonic clock is left alone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void
open_file(void)
{
	const char *path = getenv("INTAKE_CLOCK");
	int fd = path ? open(path, O_RDONLY) : -1;
	void *place = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

	if (place != MAP_FAILED)
		offset = place;
	if (fd >= 0)
		close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int failed = (int) syscall(SYS_clock_gettime, id, now);

	if (failed == 0 && offset != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		now->tv_sec += *offset;
	return failed;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec time;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &time);
	now->tv_sec = time.tv_sec;
	now->tv_usec = time.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *place)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (place != NULL)
		*place = now.tv_sec;
	return now.tv_sec;
}
