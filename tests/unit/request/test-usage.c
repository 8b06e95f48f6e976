/* Help texts name everything, and hints are near. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "request/usage.h"

static char *command_help(enum personality who, enum command c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	usage_print_command(f, who, command_row(c));
	fclose(f);
	return text;
}

static void every_option_of_a_command_is_shown(void **state)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);
	char *dump = command_help(CRIU, CMD_DUMP), *own = command_help(OWN, CMD_DUMP);

	for (size_t i = 0; i < n; i++) {
		char want[64];

		if (!rows[i].name || !(rows[i].commands & (1u << CMD_DUMP)))
			continue;
		(void)snprintf(want, sizeof(want), rows[i].type == TYPE_BOOL ? "--[no-]%s" : "--%s",
			       rows[i].name);
		assert_true(!!strstr(dump, want) == !!(rows[i].who & CRIU));
		assert_true(!!strstr(own, want) == !!(rows[i].who & OWN));
	}
	free(dump);
	free(own);
}

static void lines_fit_a_terminal(void **state)
{
	for (enum command c = 0; c < CMD_MAX; c++) {
		char *text = command_help(CRIU, c), *rest = text, *line;

		while ((line = strsep(&rest, "\n"))) {
			assert_true(strlen(line) <= 88);
			assert_true(!line[0] || line[strlen(line) - 1] != ' ');
		}
		free(text);
	}
}

static void brackets_of_optional_arguments_close(void **state)
{
	char *text = command_help(CRIU, CMD_DUMP);

	assert_non_null(strstr(text, "--manage-cgroups[=MODE]"));
	assert_non_null(strstr(text, "-v, --verbosity[=LEVEL]"));
	assert_non_null(strstr(text, "-t, --tree PID"));
	free(text);
}

static void hints(void **state)
{
	assert_string_equal(usage_nearest_command(OWN, "dmup"), "dump");
	assert_string_equal(usage_nearest_command(OWN, "restor"), "restore");
	assert_string_equal(usage_nearest_command(CRIU, "pre_dump"), "pre-dump");
	assert_null(usage_nearest_command(OWN, "xyz"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_of_a_command_is_shown),
		cmocka_unit_test(lines_fit_a_terminal),
		cmocka_unit_test(brackets_of_optional_arguments_close),
		cmocka_unit_test(hints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
