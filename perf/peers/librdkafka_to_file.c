/*
 * Consumes a topic with librdkafka from offset 0 to known ends and writes keys and values to a
 * file for each partition: what a program of one's own would do instead of mirroring.
 *
 *   librdkafka_to_file BROKER TOPIC DIRECTORY CHECK_CRCS RESPONSE_BYTES END...
 *
 * CHECK_CRCS is true or false, RESPONSE_BYTES 0 for the usual ones, END the offset behind the last
 * record of partition 0, 1 and so on. Each key and value is preceded by its length, four bytes in
 * the machine's order; -1 for null. The last line of the output is JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MESSAGES_MAX 10000
#define FILE_BUFFER_BYTES (1 << 20)
#define SILENCE_MS_MAX 30000

struct partition {
    FILE *file;
    int64_t next;
    int64_t end;
};

static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* A setting that this version does not have is left out; a value it refuses is an error. */
static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_INVALID)
        fail("%s=%s: %s", name, value, why);
}

static rd_kafka_t *connect_to(const char *broker, const char *check_crcs, const char *bytes) {
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int is_usual = strcmp(bytes, "0") == 0;
    set(conf, "bootstrap.servers", broker);
    set(conf, "check.crcs", check_crcs);
    set(conf, "enable.auto.commit", "false");
    set(conf, "receive.message.max.bytes", "134217728");
    set(conf, "fetch.max.bytes", is_usual ? "67108864" : bytes);
    set(conf, "max.partition.fetch.bytes", is_usual ? "4194304" : bytes);
    /* Of each partition; the default of a second between looks at a full queue would be a pause. */
    set(conf, "queued.min.messages", "1000000");
    set(conf, "queued.max.messages.kbytes", "65536");
    set(conf, "fetch.queue.backoff.ms", "1");
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (client == NULL)
        fail("no consumer: %s", why);
    return client;
}

static void open_file(struct partition *partition, const char *directory, int number) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.records", directory, number);
    partition->file = fopen(path, "wx");
    if (partition->file == NULL)
        fail("%s: %s", path, strerror(errno));
    if (setvbuf(partition->file, NULL, _IOFBF, FILE_BUFFER_BYTES) != 0)
        fail("%s: no buffer", path);
}

static void write_part(FILE *file, const void *bytes, size_t length) {
    int32_t told = bytes == NULL ? -1 : (int32_t)length;
    if (fwrite_unlocked(&told, sizeof told, 1, file) != 1)
        fail("writing: %s", strerror(errno));
    if (length > 0 && fwrite_unlocked(bytes, length, 1, file) != 1)
        fail("writing: %s", strerror(errno));
}

/* Takes one message; returns 1 when its partition has come to its end. */
static int take(const rd_kafka_message_t *message, struct partition *partitions, int count) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("partition %d: %s", message->partition, rd_kafka_message_errstr(message));
    if (message->partition < 0 || message->partition >= count)
        fail("a record of partition %d", message->partition);
    struct partition *partition = &partitions[message->partition];
    if (message->offset != partition->next)
        fail("partition %d: offset %" PRId64 " where %" PRId64 " was expected",
             message->partition, message->offset, partition->next);
    if (partition->next == partition->end)
        fail("partition %d goes on behind its end", message->partition);
    write_part(partition->file, message->key, message->key_len);
    write_part(partition->file, message->payload, message->len);
    partition->next++;
    return partition->next == partition->end;
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(rd_kafka_version_str());
        return 0;
    }
    if (argc < 7)
        fail("usage: %s BROKER TOPIC DIRECTORY CHECK_CRCS RESPONSE_BYTES END...", argv[0]);
    int count = argc - 6, left = 0;
    int64_t records = 0, records_left = 0;
    rd_kafka_t *client = connect_to(argv[1], argv[4], argv[5]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[2], NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    struct partition *partitions = calloc((size_t)count, sizeof *partitions);
    rd_kafka_message_t **messages = calloc(MESSAGES_MAX, sizeof *messages);
    if (topic == NULL || partitions == NULL || messages == NULL)
        fail("no memory, or an illegal topic");
    for (int number = 0; number < count; number++) {
        partitions[number].end = strtoll(argv[6 + number], NULL, 10);
        open_file(&partitions[number], argv[3], number);
        if (partitions[number].end == 0)
            continue;
        left++;
        records_left += partitions[number].end;
        if (rd_kafka_consume_start_queue(topic, number, 0, queue) != 0)
            fail("partition %d: %s", number, rd_kafka_err2str(rd_kafka_last_error()));
    }
    while (left > 0) {
        /* It waits until as many are there as it may take: no more than will come. */
        size_t wanted = records_left < MESSAGES_MAX ? (size_t)records_left : MESSAGES_MAX;
        ssize_t got = rd_kafka_consume_batch_queue(queue, SILENCE_MS_MAX, messages, wanted);
        if (got <= 0)
            fail("%d partitions are not at their ends, and nothing came for %d ms: %s", left,
                 SILENCE_MS_MAX, rd_kafka_err2str(rd_kafka_last_error()));
        for (ssize_t index = 0; index < got; index++) {
            left -= take(messages[index], partitions, count);
            rd_kafka_message_destroy(messages[index]);
        }
        records += got;
        records_left -= got;
    }
    for (int number = 0; number < count; number++)
        if (fclose(partitions[number].file) != 0)
            fail("closing: %s", strerror(errno));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"records\": %" PRId64 ", \"cpu_seconds\": %.6f, \"resident_kib_max\": %ld}\n", records,
           seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    fflush(stdout);
    /* What is left is to hand memory back: no work of a copying. */
    _exit(0);
}
