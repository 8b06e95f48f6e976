#pragma once
/*
 * The interpreter as bytes, for the host. Goes to the base of an area (wire.h) and runs wherever
 * that is. Made at build time by make-blob.
 */
#include <stddef.h>

extern const unsigned char pie_blob[];
extern const size_t pie_blob_size; /* at most PIE_CODE */
/* Offsets of the two ways in: pie_entry (base, index in the first two argument registers) and
 * pie_return (address of a frame in the first argument register). */
extern const size_t pie_blob_entry;
extern const size_t pie_blob_return;
