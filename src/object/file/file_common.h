#pragma once
/* What the images of every kind of open file have in common. */
#include "model/file.h"

struct arena;
struct FownEntry;

/* The owner of a file as a message in memory of the arena; NULL when out of memory. */
struct FownEntry *fown_encode(const struct fown *fown, struct arena *arena) nodiscard;

/* The reverse. NULL (a message without it) means nobody. */
struct fown fown_decode(const struct FownEntry *fe);
