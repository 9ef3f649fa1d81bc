/* Preloaded into the daemon, it shifts the wall clock or lets allocations fail, as a file that the suite maps says.
 * Neither can be limited to one process by other means. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct orders {
	int64_t shift;
	int64_t refuse_memory;
};

static const volatile struct orders none;
static const volatile struct orders *orders = &none;

__attribute__((constructor)) static void find_orders(void)
{
	const char *path = getenv("SHIM_ORDERS");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *orders, PROT_READ, MAP_SHARED, file, 0);

	/* Without orders the case would prove nothing. */
	if (page == MAP_FAILED)
		abort();
	close(file);
	orders = page;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, time);

	if (result == 0 && clock == CLOCK_REALTIME)
		time->tv_sec += orders->shift;
	return result;
}

/* The names of glibc's own functions, which are overridden here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int refused(void)
{
	if (orders->refuse_memory)
		errno = ENOMEM;
	return orders->refuse_memory != 0;
}

void *malloc(size_t size)
{
	return refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return refused() ? NULL : __libc_realloc(old, size);
}

int posix_memalign(void **place, size_t alignment, size_t size)
{
	if (refused() || !(*place = __libc_memalign(alignment, size)))
		return ENOMEM;
	return 0;
}
