# Octant's build. `make help` lists what it can do.
#
# One pattern: every src/*/*.c outside server/ and protocol/ is the library; those two and cli/ are the
# program; every *_test.c is linked into one test program. V=name builds the same tree another way
# (asan, tsan, debug), under build/name.

.DEFAULT_GOAL := all
V ?= release
B := $(if $(filter release,$(V)),build,build/$(V))
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
JOBS ?= $(shell nproc)

OPT_release := -O3 -g
OPT_debug := -O0 -g3
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

WARN := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef
# No contraction: a score is the same bits on every CPU (docs/design/numbers.md).
CFLAGS_ALL = -std=c17 $(OPT_$(V)) $(WARN) $(WERROR) -fPIC -fvisibility=hidden -ffp-contract=off \
	-D_GNU_SOURCE -DOCTANT_VERSION='"$(VERSION)"' -Iinclude -Isrc -MMD -MP $(CFLAGS)
WERROR ?=
LDFLAGS_ALL = $(filter -fsanitize%,$(OPT_$(V))) $(LDFLAGS)

# GET / tells the commit. The object is made again when it changes.
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
$(B)/obj/src/api/service.o: CFLAGS += $(if $(COMMIT),-DOCTANT_COMMIT='"$(COMMIT)"')
$(B)/obj/src/api/service.o: $(wildcard .git/HEAD .git/refs/heads/* .git/packed-refs)

T := build/third_party
LIB_DIRS := base os kernel codes storage graph sparse text payload field shard config collection api
ENGINE := $(wildcard src/engine.c)
LIB_SRC := $(filter-out %_test.c,$(foreach d,$(LIB_DIRS),$(wildcard src/$(d)/*.c))) $(ENGINE)
SERVER_SRC := $(filter-out %_test.c,$(wildcard src/server/*.c src/protocol/*.c))
CLI_SRC := $(wildcard cli/*.c)
TEST_SRC := $(wildcard src/*/*_test.c tests/support/*.c)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o) $(B)/obj/third_party/yyjson.o $(B)/obj/grpc_tables.o
SERVER_OBJ := $(SERVER_SRC:%.c=$(B)/obj/%.o) $(patsubst %,$(B)/obj/third_party/%.o,llhttp api http)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/obj/%.o)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj/%.o)

# Linked into the library, so that it needs no other at run time. What the library exports stays oct_*.
STEMMER := $(shell $(CC) -print-file-name=libstemmer.a)

LIBS := $(STEMMER) -lm -lpthread
SERVER_LIBS := -luv -lnghttp2 -lyaml -lz

.PHONY: all help setup lib test check check-all demo tidy symbols install clean bench asan tsan format unit simulate fuzz fuzz-quick fuzz-targets
all: $(B)/octant $(B)/liboctant.so $(B)/liboctant.a $(B)/_fast.abi3.so

help:
	@echo "make              build/octant, build/liboctant.so, build/liboctant.a"
	@echo "make setup        install what the build, the demo and the tests need (Debian 12)"
	@echo "make demo         set up, build, run the lesson on real text"
	@echo "make test         set up, build, run every test"
	@echo "make unit         the C unit tests, as built (V=asan, V=tsan: watched)"
	@echo "make check        unit tests under ASan and UBSan"
	@echo "make fuzz-quick   every decoder against random bytes, a minute in all (make fuzz FUZZ_TARGETS=log: ten)"
	@echo "make simulate     100,000 power failures, each opened and compared (half an hour)"
	@echo "make tidy         layers, symbols, warnings as errors"
	@echo "make install      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"
	@echo "make bench        recall, speed and memory beside other engines (BENCH_ARGS=--quick: 8 minutes)"

$(T)/yyjson/.done:
	@sh tools/third_party.sh
$(T)/httptools/.done: $(T)/yyjson/.done ;

$(T)/yyjson/yyjson.c: $(T)/yyjson/.done ;
$(patsubst %,$(T)/httptools/src/%.c,llhttp api http): $(T)/httptools/.done ;

# The messages and methods of gRPC, as tables (src/api/grpc.h).
build/gen/grpc_tables.c: tools/protogen.py $(wildcard src/api/proto/*.proto src/api/proto/*/*/*.proto)
	@mkdir -p $(@D)
	python3 tools/protogen.py src/api/proto $@
$(B)/obj/grpc_tables.o: build/gen/grpc_tables.c src/api/grpc.h | $(T)/yyjson/.done
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -isystem $(T)/yyjson -c -o $@ $<

# Instruction sets are chosen per file; src/kernel picks one at run time.
$(B)/obj/src/kernel/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$(B)/obj/src/kernel/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma

$(B)/obj/third_party/yyjson.o: $(T)/yyjson/yyjson.c
	@mkdir -p $(@D)
	$(CC) -O3 -g -fPIC -fvisibility=hidden -Dyyjson_api= $(filter -fsanitize%,$(OPT_$(V))) -c -o $@ $<
$(B)/obj/third_party/%.o: $(T)/httptools/src/%.c
	@mkdir -p $(@D)
	$(CC) -O3 -g -fPIC -I$(T)/httptools/include $(filter -fsanitize%,$(OPT_$(V))) -c -o $@ $<
$(B)/obj/%.o: %.c | $(T)/yyjson/.done $(T)/httptools/.done
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(ISA) -isystem $(T)/yyjson -isystem $(T)/httptools/include -Itests -c -o $@ $<

# Only oct_* leaves either library: the archive is one relocatable object with everything else made local.
$(B)/liboctant.so: $(LIB_OBJ)
	$(CC) -shared -Wl,-soname,liboctant.so.0 -Wl,--no-undefined -Wl,-z,defs -Wl,--exclude-libs,libstemmer.a $(LDFLAGS_ALL) \
		-o $@ $^ $(LIBS)
	@ln -sf liboctant.so $(B)/liboctant.so.0
$(B)/liboctant.a: $(LIB_OBJ)
	$(LD) -r -o $(B)/obj/liboctant.o $^ $(STEMMER)
	objcopy --localize-hidden --wildcard --keep-global-symbol='oct_*' $(B)/obj/liboctant.o
	@rm -f $@
	$(AR) rcs $@ $(B)/obj/liboctant.o

$(B)/octant: $(CLI_OBJ) $(SERVER_OBJ) $(LIB_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SERVER_LIBS) $(LIBS)

# The Python package's compiled part, which it can do without: made where Python's headers are.
$(B)/_fast.abi3.so: python/fast.c include/octant.h
	@include=$$(python3 -c "import sysconfig; print(sysconfig.get_paths()['include'])" 2>/dev/null); \
	[ -e "$$include/Python.h" ] || include=/usr/include/python3.11; \
	if [ -e "$$include/Python.h" ]; then \
		$(CC) -shared -std=c17 -O2 -g $(WARN) $(WERROR) -fPIC -fvisibility=hidden -D_GNU_SOURCE -Iinclude \
			-isystem "$$include" $(CFLAGS) $(LDFLAGS) -o $@ $<; \
	fi

$(B)/unit: $(TEST_OBJ) $(LIB_OBJ) $(SERVER_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SERVER_LIBS) $(LIBS)

# One program per question (bench/README.md says which).
$(B)/versus_bench: $(B)/obj/bench/versus_bench.o # loads its libraries itself
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -ldl
$(B)/%_bench: $(B)/obj/bench/%_bench.o $(LIB_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Fuzz targets (tests/fuzz/README.md): clang only, as `make V=fuzz CC=clang fuzz-targets`.
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/support/os_fault.o $(LIB_OBJ) $(SERVER_OBJ)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(SERVER_LIBS) $(LIBS)
fuzz-targets: $(FUZZ)
fuzz-quick:
	@sh tools/fuzz.sh 4
fuzz:
	@sh tools/fuzz.sh $(or $(SECONDS_EACH),600) $(FUZZ_TARGETS)

unit: $(B)/unit
	$(B)/unit $(T_ARGS)
# Power failures at every sync of random histories: 105,000 disks, opened and compared (docs/reliability.md).
simulate: $(B)/unit
	OCTANT_TEST_SCALE=$(or $(SCALE),70) $(B)/unit power_may_go
asan:
	$(MAKE) V=asan build/asan/unit && build/asan/unit $(T_ARGS)
tsan:
	$(MAKE) V=tsan build/tsan/unit && TSAN_OPTIONS=halt_on_error=1 setarch -R build/tsan/unit $(T_ARGS)
check: asan

setup:
	@sh tools/setup.sh test
demo:
	@sh tools/setup.sh
	$(MAKE) -j$(JOBS) all
	@sh tools/demo.sh
test:
	@sh tools/setup.sh test
	$(MAKE) -j$(JOBS) all
	@sh tools/test.sh

bench: all
	@sh tools/bench_setup.sh
	OCTANT_LIB=$(CURDIR)/$(B)/liboctant.so python3 -m bench ann $(BENCH_ARGS)
format:
	clang-format -i $$(git ls-files '*.c' '*.h')
tidy:
	@sh tools/tidy.sh
symbols: $(B)/liboctant.so $(B)/liboctant.a
	@sh tools/symbols.sh $(B)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(B)/octant $(DESTDIR)$(PREFIX)/bin/octant
	install -m 755 $(B)/liboctant.so $(DESTDIR)$(PREFIX)/lib/liboctant.so.$(VERSION)
	ln -sf liboctant.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/liboctant.so.0
	ln -sf liboctant.so.0 $(DESTDIR)$(PREFIX)/lib/liboctant.so
	install -m 644 $(B)/liboctant.a $(DESTDIR)$(PREFIX)/lib/liboctant.a
	install -m 644 include/octant.h include/octant_snapshot.h include/octant_api.h $(DESTDIR)$(PREFIX)/include/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/octant.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/octant.pc

clean:
	rm -rf build/_fast.abi3.so build/obj build/asan build/tsan build/debug build/octant build/unit build/liboctant.*

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
