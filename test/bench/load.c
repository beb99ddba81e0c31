/*
 * load.c
 *		A load generator: sends distinct, signed requests over many connections, and says how
 *		fast they were answered.
 *
 *		load PORT PATH SECRET CONNECTIONS SECONDS PREFIX [BODY_BYTES [DISTINCT]]
 *
 * The requests are signed before the clock starts. Each connection has one request under way.
 * With DISTINCT, that many requests are sent over and over. Prints one line: answers/s, the
 * number of answers with status 200, of others, and the 50th and 99th percentile and the
 * maximum of the times to an answer, in milliseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_TIMES 4000000
#define MOST_PER_SECOND 40000 /* that are signed beforehand */
#define REQUEST_ROOM 16384

typedef struct Client
{
	int fd;
	char answer[4096];
	size_t received;
	double sent_at;
} Client;

static const char *path;
static const char *secret;
static const char *prefix;
static size_t body_bytes = 1024;
static unsigned long distinct = 0; /* 0: all of them */
static unsigned long serial;
static unsigned long good;
static unsigned long bad;
static float *times;
static unsigned long n_times;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
sign(const char *body, size_t length, char *hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	HMAC(EVP_sha256(), secret, (int) strlen(secret), (const unsigned char *) body, length, digest,
		 &n);
	for (unsigned i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
}

/* All of one length. */
static char *requests;
static size_t request_length;
static unsigned long n_requests;

static void
make_request(char *request)
{
	static char body[12288];
	char hex[129];
	int n = snprintf(body, sizeof(body),
					 "{\"event\":\"bench.event\",\"data\":{\"id\":\"%s-%09lu\",\"pad\":\"", prefix,
					 serial++);

	memset(body + n, 'x', body_bytes - (size_t) n - 3);
	memcpy(body + body_bytes - 3, "\"}}", 3);
	sign(body, body_bytes, hex);
	n = snprintf(request, REQUEST_ROOM,
				 "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
				 "User-Agent: load\r\nX-Signature: %s\r\nContent-Length: %zu\r\n\r\n",
				 path, hex, body_bytes);
	memcpy(request + n, body, body_bytes);
	request_length = (size_t) n + body_bytes;
}

static void
make_requests(unsigned long count)
{
	static char first[REQUEST_ROOM];

	make_request(first);
	requests = malloc(count * request_length + REQUEST_ROOM);
	if (requests == NULL)
		abort();
	for (n_requests = 0; n_requests < count; n_requests++)
		make_request(requests + n_requests * request_length);
}

/* The next request; beyond what was made, the time to sign it counts. */
static const char *
next_request(void)
{
	static char late[REQUEST_ROOM];
	static unsigned long sent = 0;

	if (distinct > 0)
		return requests + sent++ % distinct * request_length;
	if (sent < n_requests)
		return requests + sent++ * request_length;
	make_request(late);
	return late;
}

static void
send_request(Client *client)
{
	const char *request = next_request();

	client->received = 0;
	client->sent_at = now();
	if (write(client->fd, request, request_length) != (ssize_t) request_length)
	{
		perror("write");
		exit(1);
	}
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

static void
read_answer(Client *client)
{
	ssize_t n = read(client->fd, client->answer + client->received,
					 sizeof(client->answer) - 1 - client->received);

	if (n <= 0)
	{
		fprintf(stderr, "load: the server closed a connection\n");
		exit(1);
	}
	client->received += (size_t) n;
	if (!is_whole(client))
		return;
	if (strncmp(client->answer + 9, "200", 3) == 0)
		good++;
	else
		bad++;
	if (n_times < MOST_TIMES)
		times[n_times++] = (float) ((now() - client->sent_at) * 1000);
	send_request(client);
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *) a;
	float y = *(const float *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct epoll_event events[256];
	int poller = epoll_create1(0);
	int connections;
	double start;
	double seconds;
	Client *clients;

	if (argc < 7)
	{
		fprintf(
			stderr,
			"usage: load PORT PATH SECRET CONNECTIONS SECONDS PREFIX [BODY_BYTES [DISTINCT]]\n");
		return 2;
	}
	address.sin_port = htons((unsigned short) atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	path = argv[2];
	secret = argv[3];
	connections = atoi(argv[4]);
	seconds = atof(argv[5]);
	prefix = argv[6];
	if (argc > 7)
		body_bytes = (size_t) atol(argv[7]);
	if (argc > 8)
		distinct = strtoul(argv[8], NULL, 10);
	times = malloc(MOST_TIMES * sizeof(float));
	make_requests(distinct ? distinct : (unsigned long) (seconds * MOST_PER_SECOND));
	clients = calloc((size_t) connections, sizeof(Client));
	for (int i = 0; i < connections; i++)
	{
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(clients[i].fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		{
			perror("connect");
			return 1;
		}
		epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event);
	}
	start = now();
	for (int i = 0; i < connections; i++)
		send_request(&clients[i]);
	while (now() - start < seconds)
	{
		int n = epoll_wait(poller, events, 256, 100);

		for (int i = 0; i < n; i++)
			read_answer(events[i].data.ptr);
	}
	seconds = now() - start;
	qsort(times, n_times, sizeof(float), compare);
	printf("%.0f %lu %lu %.2f %.2f %.2f\n", (double) n_times / seconds, good, bad,
		   n_times ? times[n_times / 2] : 0, n_times ? times[n_times * 99 / 100] : 0,
		   n_times ? times[n_times - 1] : 0);
	return 0;
}
