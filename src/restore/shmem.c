/*
 * Shared segments, anonymous ones and memfds: made by the broker before the tree is born
 * (object/mem/shmem.h) and filled at once, whatever the number of their users.
 */
#include <inttypes.h>

#include "object/mem/shmem.h"
#include "restore/restore_int.h"

int restore_create_shmems(struct restore *r)
{
	vec_for_each(s, &r->model.shmems) {
		int rc;

		if ((*s)->stored || (*s)->made_fd >= 0)
			continue;
		REPORT_FRAME(r->report, "shared segment %" PRIu64, (*s)->shmid);
		rc = shmem_create(&r->env, *s);
		if (rc == 0)
			rc = shmem_fill(r, *s);
		if (rc == 0)
			rc = shmem_settle(&r->env, *s);
		if (rc < 0)
			return rc;
	}
	return 0;
}
