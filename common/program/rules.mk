# How a program is built: its own files, and what programs share (and the extension, partly), compiled
# once more for it. PROGRAM is set, PACKAGES are those of pkg-config.
PREFIX ?= /usr/local
VERSION ?= 0.1.0
CC ?= cc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

SHARED = $(wildcard ../common/program/*.c) ../common/address.c ../common/egress.c
OBJECTS = $(patsubst %.c,%.o,$(sort $(wildcard *.c))) $(patsubst %.c,shared-%.o,$(notdir $(SHARED)))
HEADERS = $(wildcard *.h ../common/*.h ../common/program/*.h)
PROGRAM_CFLAGS = -std=gnu11 -pthread -Wall -Wextra -Werror -I.. \
	-DINTAKE_PROGRAM='"$(PROGRAM)"' -DINTAKE_VERSION='"$(VERSION)"' \
	$(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PROGRAM_LIBS = -pthread $(shell $(PKG_CONFIG) --libs $(PACKAGES))
COMPILE = $(CC) $(CFLAGS) $(PROGRAM_CFLAGS) -c -o $@ $<

all: $(PROGRAM)

$(PROGRAM): $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PROGRAM_LIBS)

%.o: %.c $(HEADERS)
	$(COMPILE)

shared-%.o: ../common/program/%.c $(HEADERS)
	$(COMPILE)

shared-%.o: ../common/%.c $(HEADERS)
	$(COMPILE)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/$(PROGRAM)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/$(PROGRAM)

clean:
	rm -f $(OBJECTS) $(PROGRAM)

.PHONY: all install uninstall clean
