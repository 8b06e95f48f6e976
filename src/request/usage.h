#pragma once
/* Help texts, made from the tables of commands and options. */
#include <stdio.h>

#include "request/options.h"

/* All commands, in short, and how to go on. */
void usage_print(FILE *f, enum personality who);
/* One command with all of its options. */
void usage_print_command(FILE *f, enum personality who, const struct command_row *command);
/* The word of argv that is nearest to `word` among the commands, or NULL: for a hint. */
const char *usage_nearest_command(enum personality who, const char *word);
