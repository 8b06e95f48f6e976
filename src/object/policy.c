/* The policy of a request, in the words of kinds. See policy.h. */
#include "object/policy.h"

#include "base/mem.h"
#include "request/request.h"

int policy_fill(const struct allow *allow, struct arena *a, struct policy *ret)
{
	size_t n_externals = allow->externals ? allow->externals->n : 0;
	size_t n_inherits = allow->inherits ? allow->inherits->n : 0;
	struct external *externals = ARENA_ARRAY(a, struct external, n_externals);
	struct external *inherits = ARENA_ARRAY(a, struct external, n_inherits);

	if (!externals || !inherits)
		return -ENOMEM;
	for (size_t i = 0; i < n_externals; i++)
		externals[i] = (struct external){ .key = allow->externals->at[i].key,
						  .value = allow->externals->at[i].value,
						  .fd = -1 };
	for (size_t i = 0; i < n_inherits; i++)
		inherits[i] = (struct external){ .key = allow->inherits->at[i].key,
						 .fd = allow->inherits->at[i].fd };
	*ret = (struct policy){
		.shell_job = allow->shell_job,
		.ext_unix_sk = allow->ext_unix_sk,
		.tcp_established = allow->tcp_established,
		.tcp_close = allow->tcp_close,
		.skip_in_flight = allow->skip_in_flight,
		.network_lock = allow->network_lock != NETWORK_LOCK_SKIP,
		.file_locks = allow->file_locks,
		.link_remap = allow->link_remap,
		.force_irmap = allow->force_irmap,
		.evasive_devices = allow->evasive_devices,
		.skip_file_rwx_check = allow->skip_file_rwx_check,
		.orphan_pts_master = allow->orphan_pts_master,
		.ghost_limit = allow->ghost_limit == UINT64_MAX ? 0 : allow->ghost_limit,
		.file_validation = allow->file_validation == REQUEST_VALIDATE_SIZE
					   ? VALIDATE_SIZE
					   : VALIDATE_BUILD_ID,
		.externals = externals,
		.n_externals = (unsigned)n_externals,
		.inherits = inherits,
		.n_inherits = (unsigned)n_inherits,
	};
	return 0;
}
