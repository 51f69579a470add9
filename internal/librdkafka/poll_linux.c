// poll(2) in the place of the C library's, for what librdkafka makes of it.
//
// While five records of a partition are under way and more of them wait, an idempotent producer may not send, but its
// broker's thread has set its next wake-up to now (rd_kafka_toppar_producer_serve; librdkafka 2.15): it asks poll with a time
// of 0, over and over, until the broker has answered. That was more than half of the CPU time of a producer with many waiting
// senders. So a thread whose question of that kind was just answered with "nothing" waits for a moment at its next one. What it
// waits for, the broker's answer or a wake-up by another thread, is one of the files that it asks about, and ends the wait.

#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <time.h>

enum { moment = 250 * 1000 }; // nanoseconds

static __thread int nothing; // the thread's last call had a time of 0, and found nothing

int poll(struct pollfd *files, nfds_t n, int milliseconds) {
  struct timespec wait = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
  if (milliseconds == 0 && nothing)
    wait.tv_nsec = moment;
  int ready = ppoll(files, n, milliseconds < 0 ? NULL : &wait, NULL);
  nothing = milliseconds == 0 && ready == 0;
  return ready;
}
