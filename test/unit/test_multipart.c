/*
 * test_multipart.c
 *		Multipart forms: what is read of them, and what is none because readers would differ.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include "read/body.h"
#include "read/form.h"
#include "read/multipart.h"
#include "read/work.h"
#include "check.h"

#define TYPE "multipart/form-data; boundary=b"
#define PART(name, value)                                                                          \
	"--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(name, file, value)                                                               \
	"--b\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" file                   \
	"\"\r\nContent-Type: text/plain\r\n\r\n" value "\r\n"
#define END "--b--\r\n"

static const char *problem;
static IntakeMultipart parts;

/* The form that a body is, or what is wrong. */
static const char *
form_of(const char *type, IntakeSlice body)
{
	static char out[512];

	intake_work_begin(body.len, 1);
	problem = intake_multipart_read(intake_slice_cstr(type), body, &parts);
	if (problem != NULL)
		return problem;
	snprintf(out, sizeof(out), "%.*s", (int) parts.form.len, parts.form.data);
	return out;
}

static bool
is(const char *type, const char *body, const char *expected)
{
	const char *found = form_of(type, intake_slice_cstr(body));

	if (strstr(found, expected) == NULL || (problem == NULL && strcmp(found, expected) != 0))
	{
		printf("it is: %s\n", found);
		return false;
	}
	return true;
}

static void
test_fields(void)
{
	CHECK(is(TYPE, PART("a", "1") PART("c d", "x&y=+%\r\n") END, "a=1&c%20d=x%26y%3D%2B%25%0D%0A"));
	CHECK(is(TYPE, PART("a", "") END, "a="));
	CHECK(is(TYPE, PART("{", "\xC3\xA4") "--b--", "%7B=\xC3\xA4"));
	CHECK(is(TYPE, END, ""));
	CHECK(is(TYPE, "  a preamble\r\n\r\n" PART("a", "1") END "an epilogue", "a=1"));
	CHECK(is(TYPE, "\r\n" PART("a", "1") "--b-- \t\r\n\r\n", "a=1"));
	CHECK(is(TYPE, "--b \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" END, "a=1"));
	CHECK(is("Multipart/Form-Data; charset=utf-8; Boundary=\"b\";", PART("a", "1") END, "a=1"));
	CHECK(is("multipart/form-data; boundary=\"a b'()+_,-./:=?\"",
			 "--a b'()+_,-./:=?\r\ncontent-disposition:form-data;name=\"a\"\r\n\r\n1\r\n"
			 "--a b'()+_,-./:=?--",
			 "a=1"));
	CHECK(is(TYPE, PART("a", "it is --b, and x--b\r\n-b") END,
			 "a=it%20is%20--b,%20and%20x--b%0D%0A-b"));
	CHECK(is(TYPE,
			 "--b\r\nX-Other: 1\r\nContent-Transfer-Encoding: 8BIT\r\n"
			 "Content-Disposition: form-data; name=\"a\"; other=\"q\\\"; name=x\"\r\n\r\n1\r\n" END,
			 "a=1"));
}

static void
test_files(void)
{
	IntakeSlice content;

	CHECK(is(TYPE, PART("a", "1") FILE_PART("f", "n", "&a=2") PART("c", "3") END, "a=1&c=3"));
	CHECK(parts.content.len > parts.form.len);
	CHECK(is(TYPE, FILE_PART("f", "", "") END, ""));
	CHECK(is(TYPE, FILE_PART("f", "C:\\a\\\"; name=\\\"x", "") END, ""));
	CHECK(
		is(TYPE,
		   "--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=UTF-8''x\r\n\r\n1\r\n" END,
		   ""));
	/* The boundary does not tell two bodies apart; files do, and what is where. */
	CHECK(is(TYPE, FILE_PART("f", "n", "1") PART("a", "1") END, "a=1"));
	content = parts.content;
	CHECK(is("multipart/form-data; boundary=cc",
			 "--cc\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n\"\r\n"
			 "Content-Type: text/plain\r\n\r\n1\r\n--cc\r\n"
			 "Content-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--cc--",
			 "a=1"));
	CHECK(intake_slice_equal(content, parts.content));
	CHECK(is(TYPE, FILE_PART("f", "n", "2") PART("a", "1") END, "a=1"));
	CHECK(!intake_slice_equal(content, parts.content));
}

/* What a boundary elsewhere could make of bytes that were signed. */
static void
test_boundaries(void)
{
	CHECK(is(TYPE, PART("a", "1"), "has no end"));
	CHECK(is(TYPE, "--b", "is none"));
	CHECK(is(TYPE, PART("a", "1") "--b-", "is none"));
	CHECK(is(TYPE, PART("a", "1") "--bc\r\n" END, "is none"));
	CHECK(is(TYPE, "--c\r\n\r\n" PART("a", "1") END, "before the first boundary"));
	CHECK(is(TYPE, "x\n--c\r\n" PART("a", "1") END, "before the first boundary"));
	CHECK(is(TYPE, PART("a", "1\n--b\n") END, "is none"));
	CHECK(is(TYPE, PART("a", "1\r--b\r\n") END, "is none"));
	CHECK(is(TYPE, PART("a", "1\n--b--") END, "is none"));
	CHECK(is(TYPE, "--b\nContent-Disposition: form-data; name=a\n\n1\n--b--\n", "is none"));
	CHECK(is(TYPE, PART("a", "1") END PART("a", "2") END, "goes on"));
	CHECK(is(TYPE, PART("a", "1") END END, "goes on"));
	CHECK(is(TYPE, "--c\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--c--", "not in"));
	CHECK(is(TYPE, "--b\r\n" END, "is empty"));
	/* The evil one is in a value that somebody else chose. */
	CHECK(is("multipart/form-data; boundary=evil",
			 PART("note", "\r\n--evil\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n"
						  "--evil--\r\n") END,
			 "before the first boundary"));
}

static void
test_types(void)
{
	const char *body = PART("a", "1") END;

	CHECK(is(NULL, body, "not multipart/form-data"));
	CHECK(is("application/x-www-form-urlencoded", body, "not multipart/form-data"));
	CHECK(is("multipart/mixed; boundary=b", body, "not multipart/form-data"));
	CHECK(is("multipart/form-datax; boundary=b", body, "not multipart/form-data"));
	CHECK(is("multipart/form-data", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=\"\"", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=\"b", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=\"b \"", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=\"\\b\"", body, "no boundary"));
	CHECK(is("multipart/form-data; boundary=b, multipart/form-data; boundary=c", body, "no bound"));
	CHECK(is("multipart/form-data; boundary=b; boundary=c", body, "two boundaries"));
	CHECK(is("multipart/form-data; boundary="
			 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
			 body, "no boundary"));
}

static void
test_heads(void)
{
#define HEAD(lines) "--b\r\n" lines "\r\n\r\n1\r\n" END
#define NAMED(rest) HEAD("Content-Disposition: " rest)
	CHECK(is(TYPE, NAMED("form-data"), "no name"));
	CHECK(is(TYPE, NAMED("form-data; name=\"\""), "no name"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\\\"b\""), "escaped"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"; name=\"b\""), "two names"));
	CHECK(is(TYPE, NAMED("form-data; name*=UTF-8''a"), "encoded one"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"; filename"), "cannot be read"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"; filename=\"x"), "cannot be read"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"; filename=x; filename=y"), "cannot be read"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\" filename=x"), "cannot be read"));
	CHECK(is(TYPE, NAMED("attachment; name=\"a\""), "not form-data"));
	CHECK(is(TYPE, NAMED("form-data; name=a\r\nContent-Disposition: form-data; name=b"), "twice"));
	CHECK(is(TYPE, NAMED("form-data;\r\n name=\"a\""), "no name"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"\nX: y"), "cannot be read"));
	CHECK(is(TYPE, HEAD("Content-Disposition : form-data; name=\"a\""), "cannot be read"));
	CHECK(is(TYPE, HEAD("X: y"), "no Content-Disposition"));
	CHECK(is(TYPE, HEAD("X"), "cannot be read"));
	CHECK(is(TYPE, "--b\r\n\r\n1\r\n" END, "no end of its headers"));
	CHECK(is(TYPE, NAMED("form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64"), "encoded"));
	CHECK(is(TYPE, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n" END, "no end of its"));
}

static void
test_bounds(void)
{
	char *body = palloc(70000);
	size_t length = 0;

	for (int i = 0; i < INTAKE_MULTIPART_PARTS_MAX; i++)
		length += sprintf(body + length, PART("a", ""));
	strcpy(body + length, END);
	CHECK(strlen(form_of(TYPE, intake_slice_cstr(body))) > 400 && problem == NULL);
	strcpy(body + length, PART("a", "") END);
	CHECK(is(TYPE, body, "more than 1000 parts"));
	length = sprintf(body, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nX: %09000d", 0);
	strcpy(body + length, "\r\n\r\n1\r\n" END);
	CHECK(is(TYPE, body, "8192 bytes"));
	length = sprintf(body, "--b\r\nContent-Disposition: form-data; name=\"%01001d", 0);
	strcpy(body + length, "\"\r\n\r\n1\r\n" END);
	CHECK(is(TYPE, body, "one that is long"));
}

/* Many parts cost as much as the bytes that they have, be they found one by one. */
static void
test_work(void)
{
	size_t room = 4 * 1024 * 1024;
	size_t value = room / INTAKE_MULTIPART_PARTS_MAX - 60;
	char *body = palloc(room);
	size_t length = 0;

	for (int i = 0; i < INTAKE_MULTIPART_PARTS_MAX; i++)
		length += sprintf(body + length, PART("a", "%0*d"), (int) value, i);
	strcpy(body + length, END);
	(void) form_of(TYPE, intake_slice_cstr(body));
	CHECK(problem == NULL && parts.form.len > INTAKE_MULTIPART_PARTS_MAX * value);
	CHECK(!intake_work_over());
	/* The boundary within lines, everywhere. */
	length = sprintf(body, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
	while (length < room - 100)
		length += sprintf(body + length, "x--b");
	strcpy(body + length, "\r\n" END);
	(void) form_of(TYPE, intake_slice_cstr(body));
	CHECK(problem == NULL && parts.form.len > room / 2);
	CHECK(!intake_work_over());
}

/* As places find it in a request. */
static void
test_open(void)
{
	IntakeRequest request = {0};

	request.headers = intake_slice_cstr("content-type: " TYPE "\r\n");
	request.body = intake_slice_cstr(PART("json", "{\"a\": 1}") PART("b", "2") END);
	intake_body_open(&request, intake_slice_cstr("json"));
	CHECK(intake_slice_equal(request.text, intake_slice_cstr("{\"a\": 1}")));
	CHECK(intake_slice_equal(intake_form_find(request.form, intake_slice_cstr("b"), 0),
							 intake_slice_cstr("2")));
	/* One reading: what has a boundary is not read as if it were URL-encoded. */
	request = (IntakeRequest){.headers = intake_slice_cstr("x: y\r\n"),
							  .body = intake_slice_cstr(PART("a", "&b=2&") END)};
	intake_body_open(&request, INTAKE_ABSENT);
	CHECK(request.problem != NULL && request.form.data != NULL && request.form.len == 0);
	request = (IntakeRequest){.body = intake_slice_cstr("x\r\n--b&b=2")};
	intake_body_open(&request, INTAKE_ABSENT);
	CHECK(request.problem != NULL && request.form.data != NULL && request.form.len == 0);
}

void
test_multipart(void)
{
	test_fields();
	test_files();
	test_boundaries();
	test_types();
	test_heads();
	test_bounds();
	test_work();
	test_open();
}
