/* Our own capabilities. See cap.h. */
#include "kernel/cap.h"

#include <linux/capability.h>

#include "kernel/sys.h"

static uint64_t join(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

int cap_own_get(struct cap_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int r = sys_capget(&header, data);

	if (r < 0)
		return r;
	*ret = (struct cap_sets){
		.effective = join(data[0].effective, data[1].effective),
		.permitted = join(data[0].permitted, data[1].permitted),
		.inheritable = join(data[0].inheritable, data[1].inheritable),
	};
	return 0;
}

int cap_own_set(const struct cap_sets *caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{
			.effective = (uint32_t)caps->effective,
			.permitted = (uint32_t)caps->permitted,
			.inheritable = (uint32_t)caps->inheritable,
		},
		{
			.effective = (uint32_t)(caps->effective >> 32),
			.permitted = (uint32_t)(caps->permitted >> 32),
			.inheritable = (uint32_t)(caps->inheritable >> 32),
		},
	};

	return sys_capset(&header, data);
}

bool cap_own_has(unsigned cap)
{
	struct cap_sets caps;

	return cap < 64 && cap_own_get(&caps) == 0 && (caps.effective >> cap & 1);
}

static const char *const names[] = {
#define CAP(name) "CAP_" #name,
#include "kernel/cap.def"
#undef CAP
};

/* The table's order against the header, at the places where a slip would show. */
#define CAP(name) TABLE_##name,
enum {
#include "kernel/cap.def"
};
#undef CAP
static_assert(TABLE_SYS_ADMIN == CAP_SYS_ADMIN, "cap.def follows the header");
static_assert(TABLE_SETFCAP == CAP_SETFCAP, "cap.def follows the header");
static_assert(TABLE_CHECKPOINT_RESTORE == CAP_CHECKPOINT_RESTORE, "cap.def follows the header");

const char *cap_name(unsigned cap)
{
	return cap < ARRAY_SIZE(names) ? names[cap] : "CAP_?";
}
