// SPDX-License-Identifier: Apache-2.0

// floor is the least that a prober must do on Linux, as the mark to measure
// connmonitor against: ICMP echo requests to many targets from one raw socket
// at a steady rate, round-trip times from the kernel's stamps of both ways, and
// nothing else - no names, schedules, time-outs, records or statistics.
//
//	floor -b ADDRESS [-n TARGETS] [-r RATE] [-t SECONDS] [-p TICK_US] [-s PAYLOAD] [-H HOPS]
//
// With -H it is the least that a tracer must do: one probe to each target with each
// TTL from 1 to HOPS, whatever is answered, and the times of all answers.
//
// Every tick it sends what is due, in order of the targets (ADDRESS and those
// after it), then empties the error queue, which holds the transmit stamps, and
// then the receive queue. Both ways go by batches of 64.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	MAX_PAYLOAD = 1400,
	MAX_PACKET = sizeof(struct iphdr) + 40 + sizeof(struct icmphdr) + MAX_PAYLOAD,
	CONTROL = 256,
	BUFFER = 32 << 20, // asked of the kernel for each direction
	QUOTED = sizeof(struct icmphdr) + sizeof(struct iphdr), // before the request that an error quotes
};

// target is what is known of one address, or of one hop of the way to it.
struct target {
	int64_t sent; // CLOCK_REALTIME, ns: ours first, the kernel's when it comes
	uint16_t sequence;
	bool open;
};

static struct {
	uint32_t base; // host byte order
	uint32_t targets;
	double rate;
	double seconds;
	int64_t tick; // ns
	int payload;
	uint32_t hops; // 0: no trace
} option = {.targets = 1000, .rate = 1000, .seconds = 4, .tick = 5000000, .payload = 56};

static struct target *table;
static uint32_t entries; // of the table
static int fd;
static uint16_t identifier; // network byte order
static uint64_t sent, answered, strays, stamped, late_ticks, ticks;
static double total_rtt; // ns

// What the system calls work on, prepared once.
static uint8_t request[BATCH][sizeof(struct icmphdr) + MAX_PAYLOAD];
static uint8_t reply[BATCH][MAX_PACKET];
static uint8_t control[BATCH][CONTROL];
static uint8_t ttl[BATCH][CMSG_SPACE(sizeof(int))];
static struct sockaddr_in to[BATCH], from[BATCH];
static struct iovec request_vector[BATCH], reply_vector[BATCH];
static struct mmsghdr outgoing[BATCH], incoming[BATCH];
static uint32_t fixed_sum; // of a request with sequence 0

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void set(int level, int name, const void *value, socklen_t size, const char *what)
{
	if (setsockopt(fd, level, name, value, size) < 0)
		die(what);
}

// open_socket lets only echo replies with our identifier through, in the kernel,
// and time exceeded that quotes one of our requests.
static void open_socket(void)
{
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
	if (fd < 0)
		die("socket");
	int size = BUFFER;
	set(SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size, "receive buffer");
	set(SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size, "send buffer");

	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), // X is the length of the IP header
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, 0, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, QUOTED + offsetof(struct icmphdr, un.echo.id)),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, offsetof(struct icmphdr, un.echo.id)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(identifier), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
	set(SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter, "filter");

	int stamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
		SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	set(SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps, "time stamps");
}

static void prepare(void)
{
	int length = sizeof(struct icmphdr) + option.payload;
	for (int i = 0; i < BATCH; i++) {
		struct icmphdr *header = (void *)request[i];
		header->type = ICMP_ECHO;
		header->un.echo.id = identifier;
		for (int k = 0; k < option.payload; k++)
			request[i][sizeof *header + k] = k;
		request_vector[i] = (struct iovec){request[i], length};
		reply_vector[i] = (struct iovec){reply[i], sizeof reply[i]};
		to[i].sin_family = AF_INET;
		outgoing[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &request_vector[i], .msg_iovlen = 1};
		if (option.hops) {
			struct cmsghdr *c = (void *)ttl[i];
			*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_IP, .cmsg_type = IP_TTL};
			outgoing[i].msg_hdr.msg_control = c;
			outgoing[i].msg_hdr.msg_controllen = sizeof ttl[i];
		}
	}
	// An odd payload ends in half a word, which counts with a zero behind it.
	for (int k = 0; k < length; k += 2) {
		uint16_t word = 0;
		memcpy(&word, request[0] + k, k + 1 < length ? 2 : 1);
		fixed_sum += word;
	}
}

static uint16_t checksum(uint16_t sequence)
{
	uint32_t sum = fixed_sum + sequence;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

// address writes which target a request goes to, and its TTL, by the number of the
// request, and returns its sequence.
static uint16_t address(int i, uint64_t number)
{
	uint32_t index = number % entries;
	uint16_t sequence = number / entries;
	if (option.hops) {
		sequence = index % option.hops;
		index /= option.hops;
		*(int *)CMSG_DATA((struct cmsghdr *)ttl[i]) = sequence + 1;
	}
	to[i].sin_addr.s_addr = htonl(option.base + index);
	return htons(sequence);
}

// send_batch sends up to count requests and tells how many the kernel took.
static int send_batch(int count)
{
	int64_t time = now(CLOCK_REALTIME);
	for (int i = 0; i < count; i++) {
		struct icmphdr *header = (void *)request[i];
		header->un.echo.sequence = address(i, sent + i);
		header->checksum = checksum(header->un.echo.sequence);
		table[(sent + i) % entries] = (struct target){time, header->un.echo.sequence, true};
	}
	int taken = sendmmsg(fd, outgoing, count, 0);
	if (taken > 0)
		sent += taken;
	return taken;
}

// stamp_of finds the kernel's time of a message, and with error not NULL the
// entry of the error queue.
static int64_t stamp_of(struct msghdr *message, struct sock_extended_err **error)
{
	int64_t time = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
			struct timespec *t = (void *)CMSG_DATA(c);
			time = t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
		} else if (error && c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) {
			*error = (void *)CMSG_DATA(c);
		}
	}
	return time;
}

// take_stamp corrects the time of sending. The kernel numbers what was sent
// from 0 on, as we do.
static void take_stamp(struct msghdr *message)
{
	struct sock_extended_err *error = NULL;
	int64_t time = stamp_of(message, &error);
	if (!time || !error || error->ee_origin != SO_EE_ORIGIN_TIMESTAMPING)
		return;
	table[error->ee_data % entries].sent = time;
	stamped++;
}

static void take_reply(int i)
{
	struct iphdr *ip = (void *)reply[i];
	struct icmphdr *header = (void *)(reply[i] + ip->ihl * 4);
	uint32_t index = ntohl(from[i].sin_addr.s_addr) - option.base;
	if (header->type == ICMP_TIME_EXCEEDED) {
		struct iphdr *quoted = (void *)(header + 1);
		index = ntohl(quoted->daddr) - option.base;
		header = (void *)(quoted + 1);
	}
	if (option.hops)
		index = index * option.hops + ntohs(header->un.echo.sequence);
	if (index >= entries || !table[index].open || table[index].sequence != header->un.echo.sequence) {
		strays++;
		return;
	}
	table[index].open = false;
	answered++;
	total_rtt += stamp_of(&incoming[i].msg_hdr, NULL) - table[index].sent;
}

// drain empties one of the two queues.
static void drain(int queue)
{
	bool errors = queue & MSG_ERRQUEUE;
	int count;
	do {
		for (int i = 0; i < BATCH; i++)
			incoming[i].msg_hdr = (struct msghdr){
				.msg_name = errors ? NULL : &from[i], .msg_namelen = errors ? 0 : sizeof from[i],
				.msg_iov = &reply_vector[i], .msg_iovlen = errors ? 0 : 1,
				.msg_control = control[i], .msg_controllen = CONTROL};
		count = recvmmsg(fd, incoming, BATCH, MSG_DONTWAIT | queue, NULL);
		for (int i = 0; i < count; i++) {
			if (errors)
				take_stamp(&incoming[i].msg_hdr);
			else
				take_reply(i);
		}
	} while (count == BATCH);
}

// send_due sends what should have left by now. More than 64 and a twentieth of
// a second's worth at once would only be lost at the other side.
static void send_due(double elapsed)
{
	double until = elapsed < option.seconds ? elapsed : option.seconds;
	int64_t due = (int64_t)(until * option.rate) - (int64_t)sent;
	int64_t most = (int64_t)(option.rate / 20) + BATCH;
	if (due > most)
		due = most;
	while (due > 0) {
		int count = due < BATCH ? due : BATCH;
		int taken = send_batch(count);
		if (taken < count)
			return;
		due -= taken;
	}
}

// over tells whether all requests are answered, or the last one, which left before
// quiet ns, has been waited for: for a second, and when it traces for a tenth of one,
// as long as a silent hop is.
static bool over(double elapsed, int64_t quiet)
{
	if (option.hops)
		return sent == entries && (answered == sent || quiet >= 100000000);
	return elapsed >= option.seconds && (answered == sent || elapsed >= option.seconds + 1);
}

// run ticks until it is over.
static void run(void)
{
	int64_t start = now(CLOCK_MONOTONIC), next = start, last = start;
	for (;;) {
		int64_t time = now(CLOCK_MONOTONIC);
		uint64_t before = sent;
		if (time - next > option.tick)
			late_ticks++;
		ticks++;
		double elapsed = (time - start) / 1e9;
		send_due(elapsed);
		if (sent > before)
			last = time;
		drain(MSG_ERRQUEUE);
		drain(0);
		if (over(elapsed, time - last))
			return;
		next = start + ((now(CLOCK_MONOTONIC) - start) / option.tick + 1) * option.tick;
		struct timespec wake = {next / 1000000000, next % 1000000000};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
	}
}

static void report(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	double user = used.ru_utime.tv_sec * 1e6 + used.ru_utime.tv_usec;
	double system = used.ru_stime.tv_sec * 1e6 + used.ru_stime.tv_usec;
	double echoes = answered ? answered : 1;
	printf("sent=%lu got=%lu stray=%lu stamped=%lu ticks=%lu late=%lu user_us=%.3f sys_us=%.3f cpu_us=%.3f "
	       "rtt_us=%.1f rss_kb=%ld\n",
	       sent, answered, strays, stamped, ticks, late_ticks, user / echoes, system / echoes,
	       (user + system) / echoes, total_rtt / echoes / 1e3, used.ru_maxrss);
}

static void usage(void)
{
	fprintf(stderr, "usage: floor -b ADDRESS [-n TARGETS] [-r RATE] [-t SECONDS] [-p TICK_US] [-s PAYLOAD] [-H HOPS]\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	struct in_addr base = {0};
	for (int o; (o = getopt(argc, argv, "b:n:r:t:p:s:H:")) != -1;) {
		switch (o) {
		case 'b':
			if (!inet_aton(optarg, &base))
				usage();
			break;
		case 'n': option.targets = strtoul(optarg, NULL, 10); break;
		case 'r': option.rate = strtod(optarg, NULL); break;
		case 't': option.seconds = strtod(optarg, NULL); break;
		case 'p': option.tick = strtoll(optarg, NULL, 10) * 1000; break;
		case 's': option.payload = atoi(optarg); break;
		case 'H': option.hops = strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	}
	option.base = ntohl(base.s_addr);
	if (!option.base || !option.targets || option.rate <= 0 || option.tick <= 0 || option.payload < 0 ||
	    option.payload > MAX_PAYLOAD || option.hops > 255)
		usage();
	entries = option.targets;
	if (option.hops) {
		entries *= option.hops;
		option.seconds = entries / option.rate; // each is sent once
	}
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	identifier = htons(getpid());
	table = calloc(entries, sizeof *table);
	if (!table)
		die("memory");
	prctl(PR_SET_TIMERSLACK, 1);
	open_socket();
	prepare();
	run();
	report();
	return 0;
}
