/*
 * keycheck.h
 *		Public keys under which anybody can sign. Pure.
 */
#ifndef INTAKE_KEYCHECK_H
#define INTAKE_KEYCHECK_H

#include <openssl/evp.h>

extern const char *intake_keycheck_ed25519(EVP_PKEY *key);
extern const char *intake_keycheck_ecdsa(EVP_PKEY *key);
extern const char *intake_keycheck_rsa(EVP_PKEY *key);

#endif
