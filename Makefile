# pg_intake: the root Makefile dispatches.
#
#   make run          everything a newcomer needs: install, build, start, one webhook
#   make test         every test; ONLY="filter 002_crash" some
#   make chaos        100,000 steps, while couriers, executors and the server are killed; CHAOS_STEPS, CHAOS_SEED
#   make bench        figures; bench-peers: beside what others build; bench-scale: when the work grows; bench-wide: when there is much configured; bench-calls: calls
#   make fuzz         the parsers under libFuzzer
#   make lint         what a machine can check of the code's habits
#   make test-install  what the documents say, pasted on machines that have nothing, in chroots
#   make test-matrix   make test on each release of Debian that has another PostgreSQL, in chroots
#   make, make [un]install   for those who have a server: PG_CONFIG, PREFIX, DESTDIR are honoured

INTAKE_VERSION = 0.1.0

MODULE_big = pg_intake
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard common/*.c extension/*.c extension/*/*.c)))
EXTENSION = extension/pg_intake
DATA_built = sql/pg_intake--$(INTAKE_VERSION).sql
SQL_PARTS = $(sort $(wildcard sql/[0-9]*.sql))

PG_CPPFLAGS = -I. -Iextension
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement
SHLIB_LINK = -lcrypto -lz

# The first tests need the order of the schedule; one that it does not name runs last.
SCHEDULED = $(shell sed -n 's/^test: //p' test/schedule)
TESTS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS = $(SCHEDULED) $(filter-out $(SCHEDULED),$(TESTS))
REGRESS_OPTS = --inputdir=test --load-extension=pgcrypto --load-extension=pg_intake
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=pgcrypto --load-extension=pg_intake

EXTRA_CLEAN = sql/pg_intake--*.sql results output_iso regression.diffs regression.out tmp_check tmp_check_iso

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
PG_MAJOR := $(shell $(PG_CONFIG) --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')

.PHONY: run test chaos test-install test-matrix bench bench-peers bench-scale bench-wide bench-calls fuzz lint
.DEFAULT_GOAL := all

run:
	@test/bin/run.sh

test:
	@test/bin/test.sh

chaos:
	@CHAOS_STEPS=$${CHAOS_STEPS:-100000} ONLY=065_chaos test/bin/test.sh

test-install:
	@test/bin/test-install.sh

test-matrix:
	@test/bin/matrix.sh

bench:
	@test/bin/bench.sh

bench-peers:
	@test/bin/bench-peers.sh

bench-scale:
	@test/bin/bench-scale.sh

bench-wide:
	@test/bin/bench-wide.sh

bench-calls:
	@test/bin/bench-calls.sh

fuzz:
	@test/bin/fuzz.sh

lint:
	@test/bin/lint.sh

# The programs, each in its folder: shim, install-shim, and so on.
PROGRAMS = shim courier

$(PROGRAMS):
	@$(MAKE) --no-print-directory -C $@

$(PROGRAMS:%=install-%): install-%: %
	@$(MAKE) --no-print-directory -C $* install

$(PROGRAMS:%=uninstall-%): uninstall-%:
	@$(MAKE) --no-print-directory -C $* uninstall

$(PROGRAMS:%=clean-%): clean-%:
	@$(MAKE) --no-print-directory -C $* clean

.PHONY: $(PROGRAMS) $(foreach verb,install uninstall clean,$(PROGRAMS:%=$(verb)-%))

# What keeps this from being built here, in one sentence.
trouble =
ifeq ($(PG_MAJOR),)
trouble = there is no $(PG_CONFIG); set PG_CONFIG to that of a PostgreSQL, or use 'make run', which installs one
else ifneq ($(shell test $(PG_MAJOR) -lt 15 && echo old),)
trouble = pg_intake needs PostgreSQL 15 or later, and $(PG_CONFIG) is that of $(PG_MAJOR); set PG_CONFIG to that of another
else ifeq ($(PGXS),)
trouble = the server headers of PostgreSQL $(PG_MAJOR) are missing; install postgresql-server-dev-$(PG_MAJOR)
endif

ifdef trouble
all install uninstall clean installcheck:
	@echo "make: $(trouble)" >&2
	@exit 1
else
include $(PGXS)

all: $(PROGRAMS)
install: $(PROGRAMS:%=install-%)
uninstall: $(PROGRAMS:%=uninstall-%)
clean: $(PROGRAMS:%=clean-%)

sql/pg_intake--$(INTAKE_VERSION).sql: $(SQL_PARTS) sql/presets.json
	sed -e '/^@presets.json@$$/{r sql/presets.json' -e 'd}' $(SQL_PARTS) > $@

# The two halves of installcheck, against the server that PGHOST and PGPORT name.
regress:
	$(pg_regress_installcheck) $(REGRESS_OPTS) $(REGRESS)

isolation:
	$(pg_isolation_regress_installcheck) $(ISOLATION_OPTS) $(ISOLATION)

.PHONY: regress isolation

# Every object of the extension is compiled again when any header changed: there are few.
$(OBJS): $(wildcard common/*.h extension/*/*.h)
endif
