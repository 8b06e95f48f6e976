#pragma once
/* Doubly linked circular lists, embedded in their elements. */
#include "base/base.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(l) ((struct list){ &(l), &(l) })

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_add(struct list *head, struct list *n)
{
	list_add_tail(head->next, n);
}

/* Takes n out of its list; n is then an empty list itself. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

/* Walks the elements; the current one may be deleted inside the loop. */
#define list_for_each(var, head, member)                                                           \
	for (struct list *var##_at = (head)->next, *var##_next = var##_at->next;                   \
	     var##_at != (head) &&                                                                 \
	     ((var) = list_entry(var##_at, __typeof__(*(var)), member), true);                     \
	     var##_at = var##_next, var##_next = var##_at->next)
