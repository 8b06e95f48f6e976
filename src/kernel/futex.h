#pragma once
/* futex(2) on memory shared between processes: waiting for a word to change. */
#include "base/usec.h"

/* Wakes everybody who waits on the word. */
void futex_wake_all(uint32_t *word);
/* Waits while *word is `seen`, at most `timeout`; may come back early: look at the word again. */
void futex_wait(uint32_t *word, uint32_t seen, usec_t timeout);
