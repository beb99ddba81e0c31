/*
 * main.c
 *		Runs the unit tests. Standard input: the vectors, as vectors.pl writes them.
 */
#include "check.h"

int check_passed;
int check_failed;

int
main(void)
{
	test_reading();
	test_times();
	test_digest();
	test_keys();
	test_jwt();
	test_json();
	test_items();
	test_notes();
	test_volatile();
	test_multipart();
	test_unpack();
	test_key_parts();
	test_content();
	test_schemes();
	test_address();
	test_egress();
	test_call_url();
	test_call_fields();
	test_peer();
	test_framing();
	test_path();
	test_hide();
	test_outcome();
	test_cost();
	test_coverage();
	test_borders();
	test_resplit();
	test_vectors(stdin);
	printf("%d passed, %d failed\n", check_passed, check_failed);
	return check_failed > 0;
}
