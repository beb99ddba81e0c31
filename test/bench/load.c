/*
 * load.c
 *		A load generator: sends distinct, signed requests over many connections, and says how
 *		fast they were answered.
 *
 *		load [-c CONNECTIONS] [-t SECONDS] [-b BODY_BYTES] [-n ITEMS] [-d DISTINCT] [-r RATE]
 *			[-i IDLE] [-p PATHS] SERVER PATH SECRET PREFIX
 *
 * SERVER is a port, or the path of a Unix socket. The requests are signed before the clock starts;
 * their keys, which PREFIX sets apart, come in no order. Each connection has one request under way.
 * With -n, each body is an object with so many such bodies in the array events.
 * With -d, that many requests are sent over and over. With -r, so many are sent per second, and the
 * time to an answer counts from when its request was due. With -i, so many connections more send
 * one request each before the clock starts, and then nothing. With -p, the requests go to so many
 * paths in turn: PATH with 00001 behind it, and so on.
 *
 * Prints one line: answers/s, the number of answers with status 200, of others, and the 50th and
 * 99th percentile and the maximum of the times to an answer, in milliseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_TIMES 4000000
#define MOST_PER_SECOND 80000   /* that are signed beforehand */
#define MOST_MEMORY (1UL << 30) /* of requests signed beforehand */
#define MOST_BODY (1 << 20)
#define MOST_HEADERS 4096

typedef struct Client
{
	int fd;
	char answer[4096];
	size_t received;
	double due_at;
	struct Client *next; /* of those that wait for a request, with -r */
} Client;

static const char *server;
static const char *path;
static const char *secret;
static const char *prefix;
static int connections = 64;
static int idle;
static double seconds = 5;
static double rate;
static size_t body_bytes = 1024;
static int items;              /* 0: a body is no array of them */
static unsigned long distinct; /* 0: all of them */
static unsigned long paths;    /* 0: PATH alone */

static int poller;
static Client *waiting;
static unsigned long good;
static unsigned long bad;
static float *times;
static unsigned long n_times;

static void
fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* ---- requests, all of one length ---- */

static char *requests;
static size_t request_length;
static unsigned long n_requests;

/* Writes the hexadecimal digits of bytes, without a zero at the end; returns where they end. */
static char *
put_hex(char *to, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		*to++ = "0123456789abcdef"[bytes[i] >> 4];
		*to++ = "0123456789abcdef"[bytes[i] & 15];
	}
	return to;
}

/* Words and numbers, as compressible as what services send. */
static void
fill(char *text, size_t length, unsigned long seed)
{
	static const char *const words[] = {"amount",   "created",   "customer",    "object",
										"status",   "succeeded", "currency",    "livemode",
										"metadata", "payment",   "description", "invoice",
										"account",  "false",     "null",        "true"};
	size_t n = 0;

	while (n < length)
	{
		char piece[64];
		char *end = piece;
		size_t size;

		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		end = stpcpy(end, words[seed >> 60]);
		end = stpcpy(end, ": ");
		end = put_hex(end, (const unsigned char *) &seed + 3, 4);
		end = stpcpy(end, ", ");
		size = (size_t) (end - piece);
		size = size < length - n ? size : length - n;
		memcpy(text + n, piece, size);
		n += size;
	}
}

/* Makes an event of body_bytes; returns its end. */
static char *
make_event(char *event)
{
	static unsigned long serial;
	int n = snprintf(event, body_bytes,
					 "{\"event\":\"bench.event\",\"data\":{\"id\":\"%016lx-%s-%09lu\",\"pad\":\"",
					 (serial + 1) * 11400714819323198485UL, prefix, serial);

	fill(event + n, body_bytes - (size_t) n - 3, serial++);
	memcpy(event + body_bytes - 3, "\"}}", 3);
	return event + body_bytes;
}

static size_t
make_body(char *body)
{
	char *end = body;

	if (items == 0)
		return (size_t) (make_event(body) - body);
	end += sprintf(end, "{\"events\":");
	for (int i = 0; i < items; i++)
	{
		*end++ = i == 0 ? '[' : ',';
		end = make_event(end);
	}
	end += sprintf(end, "]}");
	return (size_t) (end - body);
}

/* Writes the next request's path; all are of one length. */
static void
put_path(char *to, size_t size)
{
	static unsigned long serial;

	if (paths > 0)
		snprintf(to, size, "%s%05lu", path, serial++ % paths + 1);
	else
		snprintf(to, size, "%s", path);
}

static void
make_request(char *request)
{
	static char body[MOST_BODY + 1];
	char to[MOST_HEADERS / 2];
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int size = 0;
	size_t length = make_body(body);
	int n;

	HMAC(EVP_sha256(), secret, (int) strlen(secret), (const unsigned char *) body, length, digest,
		 &size);
	*put_hex(hex, digest, size) = '\0';
	put_path(to, sizeof(to));
	n = snprintf(request, MOST_HEADERS,
				 "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
				 "User-Agent: load\r\nX-Signature: %s\r\nContent-Length: %zu\r\n\r\n",
				 to, hex, length);
	memcpy(request + n, body, length);
	request_length = (size_t) n + length;
}

static void
make_requests(unsigned long count)
{
	static char first[MOST_HEADERS + MOST_BODY];

	make_request(first);
	if (count > MOST_MEMORY / request_length)
		count = MOST_MEMORY / request_length;
	requests = malloc(count * request_length + sizeof(first));
	times = malloc(MOST_TIMES * sizeof(float));
	if (requests == NULL || times == NULL)
		fail("malloc");
	for (n_requests = 0; n_requests < count; n_requests++)
		make_request(requests + n_requests * request_length);
}

/* The next request; beyond what was made, the time to sign it counts. */
static const char *
next_request(void)
{
	static char late[MOST_HEADERS + MOST_BODY];
	static unsigned long sent;

	if (distinct > 0)
		return requests + sent++ % distinct * request_length;
	if (sent < n_requests)
		return requests + sent++ * request_length;
	make_request(late);
	return late;
}

/* ---- connections ---- */

static int
connect_to_server(void)
{
	struct sockaddr_in port = {.sin_family = AF_INET,
							   .sin_port = htons((unsigned short) atoi(server)),
							   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un file = {.sun_family = AF_UNIX};
	int is_file = server[0] == '/';
	int fd = socket(is_file ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

	strncpy(file.sun_path, server, sizeof(file.sun_path) - 1);
	if (fd < 0 || connect(fd, is_file ? (struct sockaddr *) &file : (struct sockaddr *) &port,
						  is_file ? sizeof(file) : sizeof(port)) != 0)
		fail("connect");
	return fd;
}

static void
send_request(Client *client, double due_at)
{
	client->received = 0;
	client->due_at = due_at;
	if (write(client->fd, next_request(), request_length) != (ssize_t) request_length)
		fail("write");
}

/* Whether the answer is whole: its headers, and as many bytes as they announce. */
static int
is_whole(Client *client)
{
	char *end;
	char *length;

	client->answer[client->received] = '\0';
	end = strstr(client->answer, "\r\n\r\n");
	if (end == NULL)
		return 0;
	length = strcasestr(client->answer, "Content-Length: ");
	return (size_t) (end + 4 - client->answer) + (length ? strtoul(length + 16, NULL, 10) : 0) <=
		   client->received;
}

/* Reads what there is of an answer. Returns whether it is whole, and then counts it. */
static int
read_answer(Client *client)
{
	ssize_t n = read(client->fd, client->answer + client->received,
					 sizeof(client->answer) - 1 - client->received);

	if (n <= 0)
		fail("the server closed a connection");
	client->received += (size_t) n;
	if (!is_whole(client))
		return 0;
	if (strncmp(client->answer + 9, "200", 3) == 0)
		good++;
	else
		bad++;
	if (n_times < MOST_TIMES)
		times[n_times++] = (float) ((now() - client->due_at) * 1000);
	return 1;
}

static void
open_idle(void)
{
	for (int i = 0; i < idle; i++)
	{
		Client client = {.fd = connect_to_server()};

		send_request(&client, now());
		while (!read_answer(&client))
			;
	}
	n_times = 0;
}

static Client *
open_clients(void)
{
	Client *clients = calloc((size_t) connections, sizeof(Client));

	poller = epoll_create1(0);
	if (clients == NULL || poller < 0)
		fail("epoll_create1");
	for (int i = 0; i < connections; i++)
	{
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = connect_to_server();
		(void) epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event);
		clients[i].next = waiting;
		waiting = &clients[i];
	}
	return clients;
}

/* ---- the clock ---- */

/* Waits for answers, for so many seconds at most; each starts the next request, or waits for it. */
static void
receive(double patience)
{
	struct timespec most = {0, patience > 0 ? (long) (patience * 1e9) : 0};
	struct pollfd ready = {poller, POLLIN, 0};
	struct epoll_event events[256];
	int n;

	if (rate > 0 && ppoll(&ready, 1, &most, NULL) == 0)
		return;
	n = epoll_wait(poller, events, 256, rate > 0 ? 0 : 100);
	for (int i = 0; i < n; i++)
	{
		Client *client = events[i].data.ptr;

		if (!read_answer(client))
			continue;
		if (rate == 0)
		{
			send_request(client, now());
			continue;
		}
		client->next = waiting;
		waiting = client;
	}
}

/* Sends the requests that are due, as far as connections are free. Returns the seconds to the next. */
static double
send_due(double start)
{
	static unsigned long sent;

	while (waiting != NULL && start + (double) sent / rate <= now())
	{
		Client *client = waiting;

		waiting = client->next;
		send_request(client, start + (double) sent++ / rate);
	}
	return waiting != NULL ? start + (double) sent / rate - now() : 0.1;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *) a;
	float y = *(const float *) b;

	return (x > y) - (x < y);
}

static void
read_arguments(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:t:b:n:d:r:i:p:")) != -1)
		switch (option)
		{
			case 'c':
				connections = atoi(optarg);
				break;
			case 't':
				seconds = atof(optarg);
				break;
			case 'b':
				body_bytes = strtoul(optarg, NULL, 10);
				break;
			case 'n':
				items = atoi(optarg);
				break;
			case 'd':
				distinct = strtoul(optarg, NULL, 10);
				break;
			case 'r':
				rate = atof(optarg);
				break;
			case 'i':
				idle = atoi(optarg);
				break;
			case 'p':
				paths = strtoul(optarg, NULL, 10);
				break;
			default:
				exit(2);
		}
	if (argc - optind != 4 || connections < 1 || body_bytes < 128 || items < 0 ||
		(body_bytes + 1) * (size_t) (items > 0 ? items : 1) + 32 > MOST_BODY)
	{
		fprintf(stderr, "usage: load [-c CONNECTIONS] [-t SECONDS] [-b BODY_BYTES] [-n ITEMS] "
						"[-d DISTINCT] [-r RATE] [-i IDLE] [-p PATHS] SERVER PATH SECRET PREFIX\n");
		exit(2);
	}
	server = argv[optind];
	path = argv[optind + 1];
	secret = argv[optind + 2];
	prefix = argv[optind + 3];
}

int
main(int argc, char **argv)
{
	double start;
	Client *clients;

	read_arguments(argc, argv);
	make_requests(distinct ? distinct
						   : (unsigned long) (seconds * (rate > 0 ? rate : MOST_PER_SECOND)));
	open_idle();
	clients = open_clients();
	start = now();
	for (int i = 0; rate == 0 && i < connections; i++)
		send_request(&clients[i], now());
	while (now() - start < seconds)
		receive(rate > 0 ? send_due(start) : 0);
	seconds = now() - start;
	qsort(times, n_times, sizeof(float), compare);
	printf("%.0f %lu %lu %.2f %.2f %.2f\n", (double) n_times / seconds, good, bad,
		   n_times ? times[n_times / 2] : 0, n_times ? times[n_times * 99 / 100] : 0,
		   n_times ? times[n_times - 1] : 0);
	return 0;
}
