/* A chat client in C: it asks for a name, sends what you type and shows what comes.
 *
 *     cc -Wall -o client client.c && ./client 127.0.0.1 1234
 *
 * One thread is enough: poll() waits for the keyboard and for the socket at the same time. It needs
 * a system with POSIX: Linux, macOS, the BSDs, or WSL on Windows.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 10, MAX_PAYLOAD = 65536, MAX_SENDER = 200 };

/* What was received and not yet used, or typed and not yet sent. */
struct buffer {
    char bytes[HEADER + MAX_PAYLOAD];
    size_t used;
};

static void give_up(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "no chat: %s\n", what);
    exit(1);
}

/* Take the first count bytes away. */
static void drop(struct buffer *buffer, size_t count)
{
    memmove(buffer->bytes, buffer->bytes + count, buffer->used - count);
    buffer->used -= count;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* send() may take less than all: so again and again. */
static void send_all(int sock, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(sock, data, size, 0);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            give_up(strerror(errno));
        data += sent;
        size -= sent;
    }
}

static void send_frame(int sock, const char *text, size_t size)
{
    char header[HEADER + 1];
    snprintf(header, sizeof header, "%-10zu", size);
    send_all(sock, header, HEADER);
    send_all(sock, text, size);
}

/* Return the length that a header says, or -1: digits, with spaces before or behind them. */
static long length_in(const char *header)
{
    int at = 0, digits = 0;
    long length = 0;
    while (at < HEADER && header[at] == ' ')
        at++;
    for (; at < HEADER && header[at] >= '0' && header[at] <= '9'; at++, digits++)
        length = length * 10 + (header[at] - '0');
    while (at < HEADER && header[at] == ' ')
        at++;
    if (at < HEADER || digits == 0 || length > MAX_PAYLOAD)
        return -1;
    return length;
}

/* Return the length of the first payload in buffer, or -1 if it is not whole yet. */
static long whole_frame(const struct buffer *buffer)
{
    if (buffer->used < HEADER)
        return -1;
    long length = length_in(buffer->bytes);
    if (length < 0)
        give_up("it sends a wrong header: is this a chat server?");
    if (buffer->used < HEADER + (size_t)length)
        return -1;
    return length;
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Return how many bytes the character at text has in UTF-8, and what it is; 0 if it is none. */
static size_t character_at(const unsigned char *text, size_t size, unsigned long *character)
{
    static const unsigned long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = 1;
    *character = text[0];
    if (text[0] >= 0xF0 && text[0] < 0xF8)
        length = 4, *character = text[0] & 0x07;
    else if (text[0] >= 0xE0)
        length = 3, *character = text[0] & 0x0F;
    else if (text[0] >= 0xC0)
        length = 2, *character = text[0] & 0x1F;
    else if (text[0] >= 0x80)
        return 0;
    if (text[0] >= 0xF8 || size < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *character = *character << 6 | (text[i] & 0x3F);
    }
    if (*character < smallest[length] || *character > 0x10FFFF)
        return 0;
    if (*character >= 0xD800 && *character <= 0xDFFF)
        return 0;
    return length;
}

/* Could it harm the terminal, or turn the text around it? */
static int is_unsafe(unsigned long c)
{
    return (c < 0x20 && c != '\t') || (c >= 0x7F && c <= 0x9F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Print UTF-8, with U+FFFD in the place of what could do harm. */
static void show(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        unsigned long character;
        size_t length = character_at((const unsigned char *)text + at, size - at, &character);
        if (length == 0)
            give_up("it sends text that is not UTF-8");
        if (is_unsafe(character))
            fputs("\xEF\xBF\xBD", stdout);
        else
            fwrite(text + at, 1, length, stdout);
        at += length;
    }
}

static int begins_with(const char *text, size_t size, const char *start)
{
    return size >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

/* ---- One connection -------------------------------------------------------------------------- */

/* The first half of a pair, if its second half is not here yet; else its size is -1. */
static char sender[MAX_SENDER];
static long sender_size = -1;

/* Show each pair in buffer that is whole: who speaks, then the text. */
static void show_pairs(struct buffer *buffer)
{
    long size;
    while ((size = whole_frame(buffer)) >= 0) {
        const char *text = buffer->bytes + HEADER;
        if (sender_size < 0) {
            if (size > MAX_SENDER)
                give_up("it sends a name that is too long");
            memcpy(sender, text, size);
            sender_size = size;
        } else {
            int is_notice = sender_size == 6 && memcmp(sender, "server", 6) == 0;
            if (is_notice) {
                fputs("* ", stdout);
            } else {
                show(sender, sender_size);
                fputs(">> ", stdout);
            }
            show(text, size);
            fputs("\n", stdout);
            fflush(stdout);
            if (is_notice && begins_with(text, size, "refused"))
                exit(1);
            sender_size = -1;
        }
        drop(buffer, HEADER + size);
    }
}

/* Send each whole line in typed; the rest of it, too, if no more comes. Return whether we quit. */
static int send_lines(int sock, struct buffer *typed, int is_end)
{
    int quits = 0;
    char *end;
    while ((end = memchr(typed->bytes, '\n', typed->used)) != NULL) {
        size_t size = end - typed->bytes;
        size_t text = size > 0 && end[-1] == '\r' ? size - 1 : size;
        if (text > 0)
            send_frame(sock, typed->bytes, text);
        if (text == 5 && begins_with(typed->bytes, text, "/quit"))
            quits = 1;
        drop(typed, size + 1);
    }
    if (typed->used == sizeof typed->bytes)
        give_up("this line is too long for a frame");
    if (is_end && typed->used > 0)
        send_frame(sock, typed->bytes, typed->used);
    return quits || is_end;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error)
        give_up(gai_strerror(error));
    int sock = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (sock < 0 || connect(sock, found->ai_addr, found->ai_addrlen) < 0)
        give_up(strerror(errno));
    freeaddrinfo(found);
    return sock;
}

int main(int argc, char **argv)
{
    static struct buffer typed, received;
    if (argc != 3) {
        fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* send() says it as well */
    int sock = connect_to(argv[1], argv[2]);
    printf("name: ");
    fflush(stdout);
    struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = sock, .events = POLLIN}};
    while (poll(both, 2, -1) >= 0 || errno == EINTR) {
        if (both[0].revents) {
            char *end = typed.bytes + typed.used;
            ssize_t got = read(STDIN_FILENO, end, sizeof typed.bytes - typed.used);
            typed.used += got > 0 ? got : 0;
            if (send_lines(sock, &typed, got <= 0)) {
                shutdown(sock, SHUT_WR); /* we say nothing more, but hear the rest */
                both[0].fd = -1;
            }
        }
        if (both[1].revents) {
            char *end = received.bytes + received.used;
            ssize_t got = recv(sock, end, sizeof received.bytes - received.used, 0);
            if (got < 0)
                give_up(strerror(errno));
            if (got == 0)
                break;
            received.used += got;
            show_pairs(&received);
        }
    }
    if (received.used > 0 || sender_size >= 0)
        give_up("it hung up in the middle of a pair");
    if (both[0].fd >= 0)
        give_up("it hung up");
    return 0;
}
