/* Parts of messages that all kinds of open files share. See file_common.h. */
#include "object/file/file_common.h"

#include "base/mem.h"
#include "schema/fown.pb-c.h"

struct FownEntry *fown_encode(const struct fown *fown, struct arena *arena)
{
	FownEntry *fe = ARENA_NEW(arena, FownEntry);

	if (!fe)
		return NULL;
	fown_entry__init(fe);
	fe->uid = fown->uid;
	fe->euid = fown->euid;
	fe->signum = fown->signum;
	fe->pid_type = fown->pid_type;
	fe->pid = fown->pid;
	return fe;
}

struct fown fown_decode(const struct FownEntry *fe)
{
	if (!fe)
		return (struct fown){ 0 };
	return (struct fown){
		.uid = fe->uid,
		.euid = fe->euid,
		.signum = fe->signum,
		.pid_type = fe->pid_type,
		.pid = fe->pid,
	};
}
