#pragma once
/* Calls nobody may use, made compile errors. Included by every build through -include, after the
 * system headers. */
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef alloca
#pragma GCC poison sprintf vsprintf strcpy strcat strtok atoi atol atoll dup alloca system gets
