/* The least that a client can do on this machine: recv into one buffer, pwrite, nothing else.
 *
 * floor HOST PORT CONNECTIONS OUT_DIR < list of paths: one thread and one kept connection each, plain HTTP/1.1,
 * Content-Length only. Nothing is checked; it is no downloader but the line that downloaders are held against. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, LONGEST = 1024, MOST = 1 << 20 };

static char *paths[MOST];
static int count;
static atomic_int following;
static struct sockaddr_in server;
static const char *out_dir;

static void die(const char *what) { perror(what); exit(1); }

static int open_connection(void) {
    int link = socket(AF_INET, SOCK_STREAM, 0);
    if (link < 0 || connect(link, (struct sockaddr *)&server, sizeof server)) die("connect");
    return link;
}

static void fetch(int link, const char *path, char *buffer) {
    char request[LONGEST + 128], name[2 * LONGEST];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    if (send(link, request, length, 0) != length) die("send");
    ssize_t have = 0;
    char *body = NULL;
    while (!body) {
        ssize_t got = recv(link, buffer + have, BUFFER - 1 - have, 0);
        if (got <= 0) die("recv");
        have += got;
        buffer[have] = 0;
        body = strstr(buffer, "\r\n\r\n");
    }
    char *header = strcasestr(buffer, "Content-Length:");
    if (!header || strncmp(buffer, "HTTP/1.1 200", 12)) die("answer");
    long long size = atoll(header + 15), done = 0;
    body += 4;
    snprintf(name, sizeof name, "%s/%s", out_dir, strrchr(path, '/') + 1);
    int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (file < 0) die("open");
    for (ssize_t piece = have - (body - buffer); ; body = buffer) {
        if (piece && pwrite(file, body, piece, done) != piece) die("pwrite");
        done += piece;
        if (done >= size) break;
        piece = recv(link, buffer, BUFFER, 0);
        if (piece <= 0) die("recv");
    }
    close(file);
}

static void *work(void *unused) {
    char *buffer = malloc(BUFFER);
    int link = open_connection(), mine;
    while ((mine = atomic_fetch_add(&following, 1)) < count) fetch(link, paths[mine], buffer);
    close(link);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    out_dir = argv[4];
    char line[LONGEST];
    while (count < MOST && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        paths[count++] = strdup(line);
    }
    pthread_t threads[256];
    int workers = atoi(argv[3]);
    for (int i = 0; i < workers && i < 256; i++)
        if (pthread_create(&threads[i], NULL, work, NULL)) die("pthread_create");
    for (int i = 0; i < workers && i < 256; i++) pthread_join(threads[i], NULL);
    return 0;
}
