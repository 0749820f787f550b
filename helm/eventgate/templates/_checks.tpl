{{/* Values that are valid alone but not together. values.schema.json checks each value alone. */}}
{{- define "eventgate.check" -}}
{{- $v := .Values -}}
{{- $config := $v.config -}}
{{- $kafka := include "eventgate.kafkaConf" . -}}
{{- $problems := list -}}
{{- $protocol := "plaintext" -}}
{{- if $kafka -}}
{{- $conf := fromYaml $kafka -}}
{{- $protocol = index $conf "security.protocol" | default "plaintext" -}}
{{- if not (include "eventgate.brokers" .) -}}
{{- $problems = append $problems "config.kafka.conf: the producer is kafka, and no broker is named: set metadata.broker.list (or try it without Kafka: values/try.yaml)" -}}
{{- end -}}
{{- if and (index $conf "metadata.broker.list") (index $conf "bootstrap.servers") -}}
{{- $problems = append $problems "config.kafka.conf: bootstrap.servers is another name of metadata.broker.list, whose default here is kafka:9092: set the latter" -}}
{{- end -}}
{{- end -}}
{{- if and $v.secrets.kafkaTls.secretName (not (has $protocol (list "ssl" "sasl_ssl"))) -}}
{{- $problems = append $problems (printf "secrets.kafkaTls.secretName: is set, and config.kafka.conf['security.protocol'] is %s: make it ssl or sasl_ssl" $protocol) -}}
{{- end -}}
{{- if ne (empty $v.secrets.kafkaTls.certificate) (empty $v.secrets.kafkaTls.key) -}}
{{- $problems = append $problems "secrets.kafkaTls: certificate and key go together" -}}
{{- end -}}
{{- if and $v.secrets.kafkaSasl.secretName (not (hasPrefix "sasl_" $protocol)) -}}
{{- $problems = append $problems (printf "secrets.kafkaSasl.secretName: is set, and config.kafka.conf['security.protocol'] is %s: make it sasl_ssl or sasl_plaintext" $protocol) -}}
{{- end -}}
{{- /* A default would put the secret into the ConfigMap. */ -}}
{{- $reference := "\\{env\\([A-Za-z_][A-Za-z0-9_]*\\)\\}" -}}
{{- $kafkaValues := $config.kafka | default dict -}}
{{- $confs := dict "conf" $kafkaValues.conf "guaranteed.conf" (dig "guaranteed" "conf" dict $kafkaValues) "hasty.conf" (dig "hasty" "conf" dict $kafkaValues) -}}
{{- range $where, $conf := $confs -}}
{{- range $property := list "sasl.password" "ssl.key.password" "ssl.key.pem" "ssl.keystore.password" -}}
{{- $value := index ($conf | default dict) $property -}}
{{- if and $value (not (regexMatch (printf "^%s$" $reference) (toString $value))) -}}
{{- $problems = append $problems (include "eventgate.isSecret" (printf "config.kafka.%s['%s']" $where $property)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $header, $value := dig "headers" dict ($config.stream_config_uri_options | default dict) -}}
{{- $isSecret := has (lower $header) (list "authorization" "proxy-authorization" "cookie") -}}
{{- if and $isSecret (not (regexMatch (printf "^([A-Za-z]+[ =])?%s$" $reference) (toString $value))) -}}
{{- $problems = append $problems (include "eventgate.isSecret" (printf "config.stream_config_uri_options.headers.%s" $header)) -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := include "eventgate.labels" . | fromYaml -}}
{{- if hasKey $v.podLabels $label -}}
{{- $problems = append $problems (printf "podLabels: the chart itself sets %s, by which its objects find the pods" $label) -}}
{{- end -}}
{{- end -}}
{{- if and $v.streams (or $config.stream_config_uri $config.stream_config_object_path) -}}
{{- $problems = append $problems "streams: are given, and so is config.stream_config_uri or config.stream_config_object_path: give one or the other" -}}
{{- end -}}
{{- if $v.streams -}}
{{- $streams := include "eventgate.streamMap" . | fromYaml -}}
{{- if hasKey $streams "Error" -}}
{{- $problems = append $problems (printf "streams: are no map of streams: %s" $streams.Error) -}}
{{- else if kindIs "map" $v.streams -}}
{{- $expressions := list -}}
{{- range $name, $settings := $streams -}}
{{- if regexMatch "^/.+/$" $name -}}
{{- $expressions = append $expressions $name -}}
{{- end -}}
{{- if and (kindIs "map" $settings) (kindIs "map" $settings.message_key_fields) -}}
{{- if gt (len $settings.message_key_fields) 1 -}}
{{- $problems = append $problems (include "eventgate.isSorted" (printf "%s has several message_key_fields, and a record's key has them in their order" $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (len $expressions) 1 -}}
{{- $problems = append $problems (include "eventgate.isSorted" (printf "%s are expressions, and the first that matches wins" (join " and " $expressions))) -}}
{{- end -}}
{{- else if not (hasKey $config "test_events") -}}
{{- $test := include "eventgate.testStream" . -}}
{{- $written := include "eventgate.streams" . -}}
{{- $all := fromYaml $written -}}
{{- $isAdded := ne $written (trimSuffix "\n" $v.streams) -}}
{{- if or (hasKey $all "Error") (and $isAdded (ne (len $all) (add1 (len $streams) | int))) -}}
{{- $problems = append $problems (printf "streams: the stream of the chart's own test event cannot be added to this text: add %s: {schema_title: test/event}, or set config.test_events" (quote $test)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $requestMs := $config.request_timeout_ms | default 9000 | int -}}
{{- $clientMs := mul (int $v.clientTimeoutSeconds) 1000 | int -}}
{{- if ge $requestMs $clientMs -}}
{{- $problems = append $problems (printf "config.request_timeout_ms: is %d, not below clientTimeoutSeconds, %d: clients would be gone before the answer" $requestMs (int $v.clientTimeoutSeconds)) -}}
{{- end -}}
{{- $drainSeconds := include "eventgate.drainSeconds" . | int -}}
{{- if gt (int $config.shutdown_timeout_ms) (mul $drainSeconds 1000 | int) -}}
{{- $problems = append $problems (printf "config.shutdown_timeout_ms: is %d, more than drainSeconds, %d: the process would be killed before" (int $config.shutdown_timeout_ms) $drainSeconds) -}}
{{- end -}}
{{- $spool := $config.spool | default dict -}}
{{- if ne $v.spool.storage "none" -}}
{{- if not $kafka -}}
{{- $problems = append $problems "spool.storage: a spool is for Kafka, and events do not go there" -}}
{{- end -}}
{{- if or (hasKey $spool "directory") (hasKey $spool "persistent") -}}
{{- $problems = append $problems "config.spool: directory and persistent follow from spool.storage: set neither" -}}
{{- end -}}
{{- $most := div (mul (include "eventgate.spoolBytes" . | int64) 8) 10 -}}
{{- if lt $most 268435456 -}}
{{- $problems = append $problems (printf "spool.size: is %s, and must be at least 320Mi" $v.spool.size) -}}
{{- end -}}
{{- if and (regexMatch "^[0-9.]+$" (toString $spool.max_bytes)) (gt (int64 $spool.max_bytes) (int64 $most)) -}}
{{- $problems = append $problems (printf "config.spool.max_bytes: is %d, more than 80%% of spool.size, which is %d" (int64 $spool.max_bytes) (int64 $most)) -}}
{{- end -}}
{{- if kindIs "string" $spool.max_bytes -}}
{{- $problems = append $problems "config.spool.max_bytes: must be a number beside spool.storage (default: 80% of spool.size)" -}}
{{- end -}}
{{- if and (eq $v.spool.storage "persistent") $v.autoscaling.enabled -}}
{{- $problems = append $problems "autoscaling.enabled: a pod that is scaled down would leave events on its volume: not with spool.storage persistent" -}}
{{- end -}}
{{- end -}}
{{- if eq (include "eventgate.port" .) (toString (int $v.metrics.port)) -}}
{{- $problems = append $problems (printf "metrics.port: is %d, and so is config.port" (int $v.metrics.port)) -}}
{{- end -}}
{{- $memory := dig "limits" "memory" "" $v.resources | toString -}}
{{- if regexMatch "^[0-9]+[MG]i$" $memory -}}
{{- $mb := mul (regexFind "^[0-9]+" $memory | int) (hasSuffix "Gi" $memory | ternary 1024 1) | int -}}
{{- if ge (int $v.heapLimitMb) $mb -}}
{{- $problems = append $problems (printf "heapLimitMb: is %d, not below resources.limits.memory, %s: there is more than the heap" (int $v.heapLimitMb) $memory) -}}
{{- end -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- $problems = append $problems (printf "autoscaling.minReplicas: is %d, more than maxReplicas, %d" (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- $problems = append $problems "resources.requests.cpu: autoscaling.cpuPercent is a part of it, and it is not set" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $problems = append $problems "ingress.hosts: ingress is enabled, and has no host" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.parentRefs: httpRoute is enabled, and has no gateway" -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "these values cannot be installed:\n  %s" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "eventgate.isSorted" -}}
streams: {{ . }}, but Helm sorts the keys of maps: write streams as a text (streams: |), or --set-file streams=FILE
{{- end -}}

{{- define "eventgate.isSecret" -}}
{{- . }}: is a secret, and would stand in a ConfigMap: write {env(NAME)} (no default), and NAME into env with valueFrom.secretKeyRef (secrets.kafkaSasl does it for SASL)
{{- end -}}
