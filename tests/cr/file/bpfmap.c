/* BPF maps. */
#include "../harness.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int map_new(uint32_t type, uint32_t value_size, uint32_t flags)
{
	union bpf_attr attr = { .map_type = type,
				.key_size = 4,
				.value_size = value_size,
				.max_entries = 100,
				.map_flags = flags,
				.map_name = "test_map" };

	return (int)bpf(BPF_MAP_CREATE, &attr);
}

static long element(int cmd, int fd, uint32_t key, uint64_t *value)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
				.key = (uintptr_t)&key,
				.value = (uintptr_t)value };

	return bpf(cmd, &attr);
}

static const char *skip_without_bpf(void)
{
	int fd = map_new(BPF_MAP_TYPE_HASH, 8, 0);

	if (fd < 0)
		return "no right to make BPF maps";
	close(fd);
	return NULL;
}

static int open_again(int fd, uint32_t access)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)fd,
					  .info_len = sizeof(info),
					  .info = (uintptr_t)&info } };

	ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, &attr), 0);
	memset(&attr, 0, sizeof(attr));
	attr.map_id = info.id;
	attr.open_flags = access;
	return (int)bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

CR_TEST(bpfmap, contents_survive, .skip = skip_without_bpf)
{
	static const uint32_t types[] = { BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY,
					  BPF_MAP_TYPE_LRU_HASH };
	int fds[3];
	uint64_t value;

	for (int t = 0; t < 3; t++) {
		fds[t] = map_new(types[t], 8, 0);
		ASSERT(fds[t] >= 0);
		for (uint32_t k = 0; k < 50; k++) {
			value = k * 1000 + (uint32_t)t;
			ASSERT_EQ(element(BPF_MAP_UPDATE_ELEM, fds[t], k, &value), 0);
		}
	}
	cr_point();
	for (int t = 0; t < 3; t++) {
		for (uint32_t k = 0; k < 50; k++) {
			ASSERT_EQ(element(BPF_MAP_LOOKUP_ELEM, fds[t], k, &value), 0);
			ASSERT_EQ(value, k * 1000 + (uint32_t)t);
		}
		if (types[t] != BPF_MAP_TYPE_ARRAY)
			ASSERT_EQ(element(BPF_MAP_LOOKUP_ELEM, fds[t], 60, &value), -1);
	}
}

CR_TEST(bpfmap, two_files_of_one_map_stay_one, .skip = skip_without_bpf)
{
	int fd = map_new(BPF_MAP_TYPE_HASH, 8, 0), reader = open_again(fd, BPF_F_RDONLY);
	uint64_t value = 7;

	ASSERT(reader >= 0);
	cr_point();
	ASSERT_EQ(element(BPF_MAP_UPDATE_ELEM, fd, 1, &value), 0);
	value = 0;
	ASSERT_EQ(element(BPF_MAP_LOOKUP_ELEM, reader, 1, &value), 0);
	ASSERT_EQ(value, 7);
	ASSERT_EQ(element(BPF_MAP_UPDATE_ELEM, reader, 2, &value), -1);
	ASSERT_EQ(errno, EPERM);
}

CR_TEST(bpfmap, frozen_one_stays_so, .skip = skip_without_bpf)
{
	int fd = map_new(BPF_MAP_TYPE_ARRAY, 8, 0);
	union bpf_attr attr = { .map_fd = (uint32_t)fd };
	uint64_t value = 9;

	ASSERT_EQ(element(BPF_MAP_UPDATE_ELEM, fd, 99, &value), 0);
	ASSERT_EQ(bpf(BPF_MAP_FREEZE, &attr), 0);
	cr_point();
	ASSERT_EQ(element(BPF_MAP_UPDATE_ELEM, fd, 1, &value), -1);
	ASSERT_EQ(element(BPF_MAP_LOOKUP_ELEM, fd, 99, &value), 0);
	ASSERT_EQ(value, 9);
}

CR_TEST(bpfmap, queue_is_refused, .skip = skip_without_bpf, .refused = "E-FILE-KIND")
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_QUEUE, .value_size = 8, .max_entries = 4 };

	ASSERT(bpf(BPF_MAP_CREATE, &attr) >= 0);
	cr_point();
}
