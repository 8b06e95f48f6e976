# Everything is built by meson and ninja; these are the few words that save typing.
BUILD ?= build
PREFIX ?= /usr/local
NINJA = ninja -C $(BUILD)

all: $(BUILD)/build.ninja
	$(NINJA)

$(BUILD)/build.ninja:
	meson setup --prefix=$(PREFIX) $(BUILD)

# Installs Debian packages; does nothing (and needs neither root nor network) when they are there.
deps:
	tools/deps build

test: FORCE
	tools/deps build test
	tools/run-tests

demo: FORCE
	tools/deps build demo
	@out=$$($(MAKE) --no-print-directory all 2>&1) || { echo "$$out"; exit 1; }
	tools/demo $(BUILD)

bench: all
	tools/deps build bench
	bench/run $(BUILD)

install: all
	meson install -C $(BUILD) --no-rebuild

# What continuous integration runs: style, layers, gcc and clang, all tests.
ci: FORCE
	tools/deps build test
	tools/ci

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-clang

FORCE:
.PHONY: all deps test demo bench install ci clean FORCE
