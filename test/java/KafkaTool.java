import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * What the tests ask Kafka's own client, so that our reading of the protocol is never checked by itself.
 *
 * read TOPIC...           stdin: the consumer's properties. Prints every record of the topics, from their
 *                         beginning to the end they had when it started, one JSON object a line.
 * partition N...          stdin: one key a line, in base64. Prints a line for each: the partition that Java's
 *                         producer chooses for it among each number of partitions, separated by spaces.
 * keystore FILE PASSWORD  stdin: certificates and, if there is one, a private key, as PEM. Writes them to a PKCS#12
 *                         file, which brokers before 3.0 need.
 * elect TOPIC...          stdin: the admin client's properties. Has the preferred replica of each partition of
 *                         the topics elected its leader.
 */
public class KafkaTool {
    private static final PrintStream OUT = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false);

    public static void main(String[] args) throws Exception {
        List<String> rest = List.of(args).subList(1, args.length);
        switch (args[0]) {
            case "read" -> read(rest, System.in);
            case "partition" -> partition(rest, System.in);
            case "elect" -> elect(rest, System.in);
            case "keystore" -> keystore(rest.get(0), rest.get(1).toCharArray(), System.in);
            default -> throw new IllegalArgumentException("no such mode: " + args[0]);
        }
        OUT.flush();
    }

    private static void read(List<String> topics, InputStream properties) throws Exception {
        Properties config = new Properties();
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("allow.auto.create.topics", "false");
        config.put("max.poll.records", "10000");
        config.load(new InputStreamReader(properties, StandardCharsets.UTF_8));
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config, bytes, bytes)) {
            List<TopicPartition> all = new ArrayList<>();
            for (String topic : topics) {
                for (PartitionInfo info : consumer.partitionsFor(topic)) {
                    all.add(new TopicPartition(topic, info.partition()));
                }
            }
            // No group: nothing to coordinate, and no __consumer_offsets to create.
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            Set<TopicPartition> open = new HashSet<>(all);
            while (true) {
                // A position, not the last record seen: an end may be a hole (compaction, a transaction's marker).
                open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
                if (open.isEmpty()) return;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
                        print(record);
                    }
                }
            }
        }
    }

    private static void elect(List<String> topics, InputStream properties) throws Exception {
        Properties config = new Properties();
        config.load(new InputStreamReader(properties, StandardCharsets.UTF_8));
        try (var admin = Admin.create(config)) {
            Set<TopicPartition> all = new HashSet<>();
            for (var topic : admin.describeTopics(topics).allTopicNames().get().values()) {
                topic.partitions().forEach(info -> all.add(new TopicPartition(topic.name(), info.partition())));
            }
            for (var result : admin.electLeaders(ElectionType.PREFERRED, all).partitions().get().entrySet()) {
                Throwable error = result.getValue().orElse(null);
                // Not needed: it leads already.
                if (error != null && !(error instanceof ElectionNotNeededException)) {
                    throw new Exception(result.getKey() + ": " + error.getMessage(), error);
                }
            }
        }
    }

    private static void keystore(String file, char[] password, InputStream pem) throws Exception {
        String text = new String(pem.readAllBytes(), StandardCharsets.US_ASCII);
        List<Certificate> certificates = new ArrayList<>();
        PrivateKey key = null;
        var blocks = Pattern.compile("-----BEGIN ([A-Z ]+)-----([^-]+)-----END").matcher(text);
        while (blocks.find()) {
            byte[] bytes = Base64.getMimeDecoder().decode(blocks.group(2).strip());
            if (blocks.group(1).equals("CERTIFICATE")) {
                var factory = CertificateFactory.getInstance("X.509");
                certificates.add(factory.generateCertificate(new ByteArrayInputStream(bytes)));
            } else {
                key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(bytes));
            }
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        if (key != null) {
            store.setKeyEntry("key", key, password, certificates.toArray(new Certificate[0]));
        } else {
            for (Certificate certificate : certificates) store.setCertificateEntry("ca", certificate);
        }
        try (var out = new FileOutputStream(file)) {
            store.store(out, password);
        }
    }

    private static void print(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder(256);
        line.append("{\"topic\":\"").append(record.topic()); // a legal topic name needs no escapes
        line.append("\",\"partition\":").append(record.partition());
        line.append(",\"offset\":").append(record.offset());
        line.append(",\"timestamp\":").append(record.timestamp());
        line.append(",\"timestampType\":\"").append(record.timestampType().name);
        line.append("\",\"key\":").append(base64(record.key()));
        line.append(",\"value\":").append(base64(record.value()));
        line.append(",\"headers\":[");
        String separator = "";
        for (Header header : record.headers()) {
            line.append(separator).append("[").append(base64(header.key().getBytes(StandardCharsets.UTF_8)));
            line.append(",").append(base64(header.value())).append("]");
            separator = ",";
        }
        OUT.append(line.append("]}\n"));
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? "null" : "\"" + Base64.getEncoder().encodeToString(bytes) + "\"";
    }

    private static void partition(List<String> counts, InputStream keys) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(keys, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            byte[] key = Base64.getDecoder().decode(line);
            List<String> answers = new ArrayList<>();
            for (String count : counts) {
                answers.add(Integer.toString(BuiltInPartitioner.partitionForKey(key, Integer.parseInt(count))));
            }
            OUT.append(String.join(" ", answers)).append("\n");
        }
    }
}
