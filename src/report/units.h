#pragma once
/* Quantities in words: "212 MiB", "0.31 s", "9 ms". For people; JSON carries plain numbers. */
#include "base/str.h"

/* Appends bytes with a binary unit and at most three digits: "512 B", "4.0 KiB", "212 MiB". */
void units_add_bytes(struct str *s, uint64_t bytes);
/* Appends a time: "480 us", "9 ms", "0.31 s", "12.4 s", "3 min 20 s". */
void units_add_time(struct str *s, usec_t time);
/* Appends "1 task", "4 tasks". `noun` is the singular; its plural takes an s. */
void units_add_count(struct str *s, uint64_t n, const char *noun);
