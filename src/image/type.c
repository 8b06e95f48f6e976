/* The table of image files. See type.h and images.def. */
#include "image/type.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "schema/apparmor.pb-c.h"
#include "schema/autofs.pb-c.h"
#include "schema/binfmt-misc.pb-c.h"
#include "schema/bpfmap-data.pb-c.h"
#include "schema/bpfmap-file.pb-c.h"
#include "schema/cgroup.pb-c.h"
#include "schema/core.pb-c.h"
#include "schema/cpuinfo.pb-c.h"
#include "schema/creds.pb-c.h"
#include "schema/eventfd.pb-c.h"
#include "schema/eventpoll.pb-c.h"
#include "schema/ext-file.pb-c.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/fh.pb-c.h"
#include "schema/fifo.pb-c.h"
#include "schema/file-lock.pb-c.h"
#include "schema/fs.pb-c.h"
#include "schema/fsnotify.pb-c.h"
#include "schema/ghost-file.pb-c.h"
#include "schema/inventory.pb-c.h"
#include "schema/ipc-msg.pb-c.h"
#include "schema/ipc-sem.pb-c.h"
#include "schema/ipc-shm.pb-c.h"
#include "schema/ipc-var.pb-c.h"
#include "schema/memfd.pb-c.h"
#include "schema/mm.pb-c.h"
#include "schema/mnt.pb-c.h"
#include "schema/netdev.pb-c.h"
#include "schema/ns.pb-c.h"
#include "schema/packet-sock.pb-c.h"
#include "schema/pagemap.pb-c.h"
#include "schema/pidfd.pb-c.h"
#include "schema/pidns.pb-c.h"
#include "schema/pipe-data.pb-c.h"
#include "schema/pipe.pb-c.h"
#include "schema/pstree.pb-c.h"
#include "schema/regfile.pb-c.h"
#include "schema/remap-file-path.pb-c.h"
#include "schema/rlimit.pb-c.h"
#include "schema/sa.pb-c.h"
#include "schema/seccomp.pb-c.h"
#include "schema/signalfd.pb-c.h"
#include "schema/sk-inet.pb-c.h"
#include "schema/sk-netlink.pb-c.h"
#include "schema/sk-packet.pb-c.h"
#include "schema/sk-unix.pb-c.h"
#include "schema/stasis.pb-c.h"
#include "schema/stats.pb-c.h"
#include "schema/tcp-stream.pb-c.h"
#include "schema/timens.pb-c.h"
#include "schema/timer.pb-c.h"
#include "schema/timerfd.pb-c.h"
#include "schema/tty.pb-c.h"
#include "schema/tun.pb-c.h"
#include "schema/userns.pb-c.h"
#include "schema/utsns.pb-c.h"
#include "schema/vma.pb-c.h"

static const struct image_form forms[IMAGE_TYPES] = {
#define IMAGE(n, f, l, m, e, p)                                                                    \
	[IMAGE_##n] = { .name = #n,                                                                \
			.file = f,                                                                 \
			.lead = IMAGE_LEAD_##l,                                                    \
			.magic = m,                                                                \
			.entry = &e##__descriptor,                                                 \
			.payload = PAYLOAD_##p },
#define IMAGE_HEADED(n, f, l, m, h, e, p)                                                          \
	[IMAGE_##n] = { .name = #n,                                                                \
			.file = f,                                                                 \
			.lead = IMAGE_LEAD_##l,                                                    \
			.magic = m,                                                                \
			.head = &h##__descriptor,                                                  \
			.entry = &e##__descriptor,                                                 \
			.payload = PAYLOAD_##p },
#define IMAGE_RAW(n, f) [IMAGE_##n] = { .name = #n, .file = f },
#include "image/images.def"
#undef IMAGE
#undef IMAGE_HEADED
#undef IMAGE_RAW
};

const struct image_form *image_form(enum image_type type)
{
	assert(type < IMAGE_TYPES);
	return &forms[type];
}

void image_name(enum image_type type, uint64_t id, char ret_name[IMAGE_NAME_MAX])
{
	const char *file = image_form(type)->file;
	const char *number = strchr(file, '%');
	int n;

	if (!number)
		n = snprintf(ret_name, IMAGE_NAME_MAX, "%s", file);
	else if (number[1] == 'x')
		n = snprintf(ret_name, IMAGE_NAME_MAX, "%.*s%" PRIx64 "%s", (int)(number - file),
			     file, id, number + 2);
	else
		n = snprintf(ret_name, IMAGE_NAME_MAX, "%.*s%" PRIu64 "%s", (int)(number - file),
			     file, id, number + 2);
	assert(n > 0 && n < IMAGE_NAME_MAX);
}

/* Whether `name` is the file of `type` for some number. */
static bool name_matches(const char *name, enum image_type type, uint64_t *ret_id)
{
	const char *file = image_form(type)->file;
	const char *number = strchr(file, '%');
	char digits[24], again[IMAGE_NAME_MAX];
	size_t before, after, len = strlen(name);

	*ret_id = IMAGE_ONE;
	if (!number)
		return strcmp(name, file) == 0;

	before = number - file;
	after = strlen(number + 2);
	if (len <= before + after || len - before - after >= sizeof(digits) ||
	    memcmp(name, file, before) != 0)
		return false;
	memcpy(digits, name + before, len - before - after);
	digits[len - before - after] = '\0';
	if (str_to_u64(digits, number[1] == 'x' ? 16 : 10, ret_id) < 0)
		return false;

	/* Leading zeros and the like would make two names for one image. */
	image_name(type, *ret_id, again);
	return strcmp(again, name) == 0;
}

int image_name_parse(const char *name, enum image_type *ret_type, uint64_t *ret_id)
{
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		uint64_t id;

		if (!name_matches(name, t, &id))
			continue;
		*ret_type = t;
		*ret_id = id;
		return 0;
	}
	return -ENOENT;
}

int image_type_by_magic(uint32_t magic, enum image_type *ret_type)
{
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		if (magic && forms[t].magic == magic) {
			*ret_type = t;
			return 0;
		}
	}
	return -ENOENT;
}
