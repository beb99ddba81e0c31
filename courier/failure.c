/*
 * failure.c
 *		In which word a transfer failed: the words are a contract with the database.
 *
 *		resolve			there is no such name, or nobody could say
 *		refused_address	it goes where no call may go (guard.c)
 *		connect			nobody answered there
 *		tls				no agreement, or a certificate that is not to be trusted
 *		timeout			its time was up
 *		reset			the host ended it in the middle
 *		too_large		the answer, or its headers
 *		encoding		an answer in an encoding that was not asked for, or broken
 *		protocol		no HTTP, or none that may be sent
 *		lost			begun, and given up by the courier, for a reason of its own
 *		released		not begun
 */
#include <string.h>

#include "failure.h"

/* Since libcurl 8.6, for a head that is larger than it takes; before it said that memory had run out. */
#define HEAD_TOO_LARGE ((CURLcode) 100)

typedef struct Word
{
	CURLcode code;
	const char *word;
} Word;

static const Word words[] = {
	{CURLE_COULDNT_RESOLVE_HOST, "resolve"},
	{CURLE_COULDNT_RESOLVE_PROXY, "connect"},
	{CURLE_COULDNT_CONNECT, "connect"},
	{CURLE_PROXY, "connect"},
	{CURLE_SSL_CONNECT_ERROR, "tls"},
	{CURLE_SSL_ENGINE_NOTFOUND, "tls"},
	{CURLE_SSL_ENGINE_SETFAILED, "tls"},
	{CURLE_SSL_CERTPROBLEM, "tls"},
	{CURLE_SSL_CIPHER, "tls"},
	{CURLE_PEER_FAILED_VERIFICATION, "tls"},
	{CURLE_SSL_CACERT_BADFILE, "tls"},
	{CURLE_SSL_SHUTDOWN_FAILED, "tls"},
	{CURLE_SSL_CRL_BADFILE, "tls"},
	{CURLE_SSL_ISSUER_ERROR, "tls"},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, "tls"},
	{CURLE_SSL_INVALIDCERTSTATUS, "tls"},
	{CURLE_SSL_CLIENTCERT, "tls"},
	{CURLE_OPERATION_TIMEDOUT, "timeout"},
	{CURLE_GOT_NOTHING, "reset"},
	{CURLE_SEND_ERROR, "reset"},
	{CURLE_RECV_ERROR, "reset"},
	{CURLE_PARTIAL_FILE, "reset"},
	{CURLE_SEND_FAIL_REWIND, "reset"},
	{CURLE_HTTP2, "reset"},
	{CURLE_HTTP2_STREAM, "reset"},
	{CURLE_OUT_OF_MEMORY, "too_large"}, /* a header line that is longer than the library takes */
	{HEAD_TOO_LARGE, "too_large"},
	{CURLE_FILESIZE_EXCEEDED, "too_large"},
	{CURLE_BAD_CONTENT_ENCODING, "encoding"},
};

static const char *
find(CURLcode code)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].code == code)
			return words[i].word;
	return "protocol";
}

/* Whether the host has ended it. */
bool
courier_failure_is_cut(CURLcode code)
{
	return strcmp(find(code), "reset") == 0;
}

/*
 * The word for what the library says. BEGUN: the request may have been sent, LATE: its time was up.
 * Before a request has begun, what is cut off or takes too long is the connection.
 */
const char *
courier_failure_word(CURLcode code, bool begun, bool late)
{
	const char *word = find(code);
	bool cut_off = courier_failure_is_cut(code) || (code == CURLE_OPERATION_TIMEDOUT && !late);

	return cut_off && !begun ? "connect" : word;
}
