#pragma once
/*
 * What a fuzz target is: a file that defines the two functions below. It is built twice over:
 *
 *	meson setup -Dfuzz=true (clang)	libFuzzer drives it: fuzz-x CORPUS
 *	else				driver.c does, as a short test: seeds, and mutations of them
 *
 * `fuzz-x --write-seeds DIR` of the second kind makes a corpus for the first.
 */
#include <stddef.h>
#include <stdint.h>

/* Feeds one input to the code under test; crashes, hangs, leaks and sanitizers tell the rest. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes seed number n into buf; its length, or 0 when there are no more. */
size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room);
