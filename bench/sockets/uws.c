/* The server of `vaxel bench loop` on uWebSockets.
 *
 * The library is the one that PyPI's `socketify` brings along, with the C interface that it is
 * called through from Python; Python itself, which would cost more than all the rest, stays out.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Longer answers are not given. */
#define ANSWER_BYTES_MAX (64 * 1024)
#define MARK_BYTES 9
#define TEXT 1

struct app;
struct websocket;

struct listening {
  int port;
  const char *host;
  int options;
};

struct context_options {
  const char *key_file, *cert_file, *passphrase, *dh_params_file, *ca_file, *ciphers;
  int prefers_low_memory;
};

struct behaviour {
  int compression;
  unsigned int payload_bytes_max;
  unsigned short idle_timeout_seconds;
  unsigned int backpressure_bytes_max;
  bool closes_on_backpressure;
  bool resets_idle_timeout_on_send;
  bool sends_pings;
  unsigned short lifetime_minutes_max;
  void *upgrade;
  void (*open)(struct websocket *, void *);
  void (*message)(struct websocket *, const char *, size_t, int, void *);
  void *drain, *ping, *pong, *close, *subscription;
};

void *uws_get_loop(void);
struct app *uws_create_app(int tls, struct context_options options);
void uws_ws(int tls, struct app *, const char *pattern, struct behaviour, void *user);
void uws_app_listen_with_config(int tls, struct app *, struct listening,
                                void (*handler)(void *, struct listening, void *), void *user);
void uws_app_run(int tls, struct app *);
int uws_ws_send(int tls, struct websocket *, const char *, size_t, int opcode);
bool uws_ws_subscribe(int tls, struct websocket *, const char *topic, size_t);
bool uws_publish(int tls, struct app *, const char *topic, size_t, const char *, size_t, int opcode,
                 bool compress);

static const char ALL[] = "all";
static char answer[ANSWER_BYTES_MAX];

/* The bytes of the request, cut or padded to the length it asks for. */
static size_t answer_to(const char *payload, size_t length) {
  char digits[MARK_BYTES] = {0};
  memcpy(digits, payload + 1, MARK_BYTES - 1);
  size_t wanted = strtoul(digits, NULL, 16);
  if (wanted > ANSWER_BYTES_MAX) wanted = ANSWER_BYTES_MAX;
  size_t copied = length < wanted ? length : wanted;
  memcpy(answer, payload, copied);
  memset(answer + copied, '.', wanted - copied);
  return wanted;
}

static void opened(struct websocket *socket, void *user) {
  (void)user;
  uws_ws_subscribe(0, socket, ALL, strlen(ALL));
}

static void received(struct websocket *socket, const char *payload, size_t length, int opcode,
                     void *user) {
  char wanted = length < MARK_BYTES ? 0 : payload[0];
  if (wanted == 'R') {
    uws_ws_send(0, socket, answer, answer_to(payload, length), TEXT);
  } else if (wanted == 'B') {
    uws_publish(0, user, ALL, strlen(ALL), answer, answer_to(payload, length), TEXT, false);
  } else {
    uws_ws_send(0, socket, payload, length, opcode);
  }
}

static void listening(void *listener, struct listening config, void *user) {
  (void)user;
  if (!listener) {
    fprintf(stderr, "cannot listen on %s:%d\n", config.host, config.port);
    exit(1);
  }
}

int main(int count, char **words) {
  char *host = count == 3 && !strcmp(words[1], "--listen") ? words[2] : NULL;
  char *port = host ? strrchr(host, ':') : NULL;
  if (!port) {
    fprintf(stderr, "usage: uws --listen HOST:PORT\n");
    return 2;
  }
  *port++ = 0;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  struct app *app = uws_create_app(0, (struct context_options){0});
  struct behaviour behaviour = {
      .payload_bytes_max = ANSWER_BYTES_MAX,
      .idle_timeout_seconds = 120,
      .backpressure_bytes_max = 1024 * 1024,
      .open = opened,
      .message = received,
  };
  uws_ws(0, app, "/*", behaviour, app);
  struct listening config = {.port = atoi(port), .host = host};
  uws_app_listen_with_config(0, app, config, listening, NULL);
  uws_app_run(0, app);
  return 0;
}
