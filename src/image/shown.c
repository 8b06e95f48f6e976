/*
 * The tables behind shown.def. Names are those that CRIU's tool prints and reads back.
 *
 * It reads task_state wrongly (its words for 2 and 3 mean other states), so only the state that
 * both sides agree on has a name here.
 */
#include "image/shown.h"

#include "schema/bpfmap-file.pb-c.h"
#include "schema/core.pb-c.h"
#include "schema/core-aarch64.pb-c.h"
#include "schema/core-arm.pb-c.h"
#include "schema/core-loongarch64.pb-c.h"
#include "schema/core-mips.pb-c.h"
#include "schema/core-ppc64.pb-c.h"
#include "schema/core-riscv64.pb-c.h"
#include "schema/core-s390.pb-c.h"
#include "schema/core-x86.pb-c.h"
#include "schema/fh.pb-c.h"
#include "schema/fsnotify.pb-c.h"
#include "schema/ghost-file.pb-c.h"
#include "schema/memfd.pb-c.h"
#include "schema/mm.pb-c.h"
#include "schema/mnt.pb-c.h"
#include "schema/netdev.pb-c.h"
#include "schema/packet-sock.pb-c.h"
#include "schema/pagemap.pb-c.h"
#include "schema/pipe.pb-c.h"
#include "schema/regfile.pb-c.h"
#include "schema/sa.pb-c.h"
#include "schema/signalfd.pb-c.h"
#include "schema/sit.pb-c.h"
#include "schema/sk-inet.pb-c.h"
#include "schema/sk-netlink.pb-c.h"
#include "schema/sk-unix.pb-c.h"
#include "schema/tcp-stream.pb-c.h"
#include "schema/timerfd.pb-c.h"
#include "schema/tty.pb-c.h"
#include "schema/tun.pb-c.h"
#include "schema/vma.pb-c.h"

static const struct shown_name no_names[] = { { 0 } };

static const struct shown_name mmap_prot[] = {
	{ 0x1, "PROT_READ" },
	{ 0x2, "PROT_WRITE" },
	{ 0x4, "PROT_EXEC" },
	{ 0 },
};

static const struct shown_name mmap_flags[] = {
	{ 0x1, "MAP_SHARED" }, { 0x2, "MAP_PRIVATE" },     { 0x8, "MAP_DROPPABLE" },
	{ 0x20, "MAP_ANON" },  { 0x100, "MAP_GROWSDOWN" }, { 0 },
};

static const struct shown_name mmap_status[] = {
	{ 1u << 0, "VMA_AREA_REGULAR" },  { 1u << 1, "VMA_AREA_STACK" },
	{ 1u << 2, "VMA_AREA_VSYSCALL" }, { 1u << 3, "VMA_AREA_VDSO" },
	{ 1u << 5, "VMA_AREA_HEAP" },     { 1u << 6, "VMA_FILE_PRIVATE" },
	{ 1u << 7, "VMA_FILE_SHARED" },   { 1u << 8, "VMA_ANON_SHARED" },
	{ 1u << 9, "VMA_ANON_PRIVATE" },  { 1u << 10, "VMA_AREA_SYSVIPC" },
	{ 1u << 11, "VMA_AREA_SOCKET" },  { 1u << 12, "VMA_AREA_VVAR" },
	{ 1u << 13, "VMA_AREA_AIORING" }, { 1u << 14, "VMA_AREA_MEMFD" },
	{ 1u << 15, "VMA_AREA_SHSTK" },   { 1u << 17, "VMA_AREA_UPROBES" },
	{ 1u << 31, "VMA_UNSUPP" },       { 0 },
};

static const struct shown_name rfile_flags[] = {
	{ 01, "O_WRONLY" },
	{ 02, "O_RDWR" },
	{ 0100, "O_CREAT" },
	{ 0200, "O_EXCL" },
	{ 0400, "O_NOCTTY" },
	{ 01000, "O_TRUNC" },
	{ 02000, "O_APPEND" },
	{ 04000, "O_NONBLOCK" },
	{ 010000, "O_DSYNC" },
	{ 020000, "FASYNC" },
	{ 040000, "O_DIRECT" },
	{ 0100000, "O_LARGEFILE" },
	{ 0200000, "O_DIRECTORY" },
	{ 0400000, "O_NOFOLLOW" },
	{ 01000000, "O_NOATIME" },
	{ 02000000, "O_CLOEXEC" },
	{ 0 },
};

static const struct shown_name seals_flags[] = {
	{ 0x1, "F_SEAL_SEAL" },  { 0x2, "F_SEAL_SHRINK" },        { 0x4, "F_SEAL_GROW" },
	{ 0x8, "F_SEAL_WRITE" }, { 0x10, "F_SEAL_FUTURE_WRITE" }, { 0 },
};

static const struct shown_name pmap_flags[] = {
	{ 1, "PE_PARENT" },
	{ 2, "PE_LAZY" },
	{ 4, "PE_PRESENT" },
	{ 0 },
};

static const struct shown_name task_state[] = { { 1, "Alive" }, { 0 } };

static const struct shown_name socket_family[] = {
	{ 1, "UNIX" }, { 2, "INET" }, { 10, "INET6" }, { 16, "NETLINK" }, { 17, "PACKET" }, { 0 },
};

static const struct shown_name socket_type[] = {
	{ 1, "STREAM" }, { 2, "DGRAM" }, { 3, "RAW" }, { 5, "SEQPACKET" }, { 10, "PACKET" }, { 0 },
};

static const struct shown_name socket_proto[] = {
	{ 0, "IP" }, { 6, "TCP" }, { 17, "UDP" }, { 136, "UDPLITE" }, { 0 },
};

static const struct shown_name socket_state[] = {
	{ 1, "ESTABLISHED" },
	{ 2, "SYN_SENT" },
	{ 3, "SYN_RECV" },
	{ 4, "FIN_WAIT1" },
	{ 5, "FIN_WAIT2" },
	{ 6, "TIME_WAIT" },
	{ 7, "CLOSE" },
	{ 8, "CLOSE_WAIT" },
	{ 9, "LAST_ACK" },
	{ 10, "LISTEN" },
	{ 0 },
};

static const struct {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	struct shown shown;
} rows[] = {
#define SHOWN(m, f, h, n) { &m##__descriptor, #f, { .how = SHOWN_##h, .names = n } },
#include "image/shown.def"
#undef SHOWN
};

static const struct shown plain = { .how = SHOWN_PLAIN, .names = no_names };

int shown_init(struct shown_fields *all)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const ProtobufCFieldDescriptor *fd =
			protobuf_c_message_descriptor_get_field_by_name(rows[i].message,
									rows[i].field);
		int r;

		assert(fd);
		r = map_set(&all->rows, 0, (uintptr_t)fd, (void *)&rows[i].shown);
		if (r < 0)
			return r;
	}
	return 0;
}

void shown_done(struct shown_fields *all)
{
	map_done(&all->rows);
}

const struct shown *shown_find(const struct shown_fields *all, const ProtobufCFieldDescriptor *fd)
{
	return map_find(&all->rows, 0, (uintptr_t)fd) ?: &plain;
}
