#pragma once
/* How fields are shown to people (shown.def): names of flags and values, addresses, devices. */
#include <protobuf-c/protobuf-c.h>

#include "base/map.h"

enum shown_how {
	SHOWN_PLAIN,
	SHOWN_HEX,
	SHOWN_FLAGS,
	SHOWN_VALUE,
	SHOWN_DEV,
	SHOWN_ODEV,
	SHOWN_IP,
	SHOWN_QUOTED
};

struct shown_name {
	uint64_t value;
	const char *name; /* NULL ends a table */
};

struct shown {
	enum shown_how how;
	const struct shown_name *names; /* FLAGS, VALUE */
};

/* The rows of shown.def, found by field. */
struct shown_fields {
	struct map rows;
};

/* 0 or -ENOMEM. */
int shown_init(struct shown_fields *all) nodiscard;
void shown_done(struct shown_fields *all);
SCOPED_OBJECT(struct shown_fields, shown_done);

/* How a field is shown; never NULL. */
const struct shown *shown_find(const struct shown_fields *all, const ProtobufCFieldDescriptor *fd);
