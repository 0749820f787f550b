{{- define "eventgate.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "eventgate.fullname" -}}
{{- $name := include "eventgate.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "eventgate.serviceName" -}}
{{- .Values.serviceName | default (include "eventgate.fullname" .) -}}
{{- end -}}

{{- define "eventgate.selector" -}}
app.kubernetes.io/name: {{ include "eventgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "eventgate.labels" -}}
{{ include "eventgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "eventgate.image" -}}
{{- $tag := .Values.image.tag | default (empty .Values.image.digest | ternary .Chart.AppVersion "") -}}
{{- .Values.image.repository -}}
{{- if $tag }}:{{ $tag }}{{ end -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ end -}}
{{- end -}}

{{- define "eventgate.port" -}}
{{- .Values.config.port | default 8192 -}}
{{- end -}}

{{/* Values that are "auto", "always" or "never". auto: if the cluster knows the kind. */}}
{{- define "eventgate.hasOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end -}}
{{- end -}}

{{- define "eventgate.scrape" -}}
{{- if ne .Values.metrics.scrape "auto" -}}
{{- .Values.metrics.scrape -}}
{{- else -}}
{{- include "eventgate.hasOperator" . | empty | ternary "annotations" "serviceMonitor" -}}
{{- end -}}
{{- end -}}

{{/* Pod Security "restricted", for every container. */}}
{{- define "eventgate.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "eventgate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The options of the service: config, and what follows from other values. */}}
{{- define "eventgate.conf" -}}
{{- include "eventgate.check" . -}}
{{- $conf := deepCopy .Values.config -}}
{{- $_ := set $conf "port" (include "eventgate.port" . | int) -}}
{{- if not (hasKey $conf "shutdown_timeout_ms") -}}
{{- /* The time until the kill, less what the process needs to end. */ -}}
{{- $_ := set $conf "shutdown_timeout_ms" (sub (mul (include "eventgate.drainSeconds" . | int) 1000) 200) -}}
{{- end -}}
{{- if not (hasKey $conf "test_events") -}}
{{- $stream := include "eventgate.testStream" . -}}
{{- $_ := set $conf "test_events" (list (dict "$schema" "/test/event/1.0.0" "meta" (dict "stream" $stream))) -}}
{{- end -}}
{{- if ne .Values.spool.storage "none" -}}
{{- $spool := dict "directory" "/var/lib/eventgate/spool" "persistent" (eq .Values.spool.storage "persistent") -}}
{{- /* The kubelet evicts a pod whose emptyDir is above its limit, and a file system needs some room too. */ -}}
{{- $_ := set $spool "max_bytes" (div (mul (include "eventgate.spoolBytes" . | int64) 8) 10) -}}
{{- $_ := set $conf "spool" (merge (deepCopy ($conf.spool | default dict)) $spool) -}}
{{- end -}}
{{- if and .Values.schemasVolume (not (hasKey $conf "schema_base_uris")) -}}
{{- $_ := set $conf "schema_base_uris" (list "/srv/schemas") -}}
{{- end -}}
{{- if .Values.streams -}}
{{- $_ := set $conf "stream_config_uri" "/etc/eventgate/streams.yaml" -}}
{{- end -}}
{{- if include "eventgate.kafkaConf" . -}}
{{- $kafka := $conf.kafka.conf -}}
{{- with .Values.secrets.kafkaTls -}}
{{- if .secretName -}}
{{- range $property, $key := dict "ssl.ca.location" .ca "ssl.certificate.location" .certificate "ssl.key.location" .key -}}
{{- if $key }}{{ $_ := set $kafka $property (printf "/etc/kafka-tls/%s" $key) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.secrets.kafkaSasl.secretName -}}
{{- $_ := set $kafka "sasl.username" "{env(KAFKA_SASL_USERNAME)}" -}}
{{- $_ := set $kafka "sasl.password" "{env(KAFKA_SASL_PASSWORD)}" -}}
{{- end -}}
{{- end -}}
{{- toYaml $conf -}}
{{- end -}}

{{/* Bytes of spool.size. */}}
{{- define "eventgate.spoolBytes" -}}
{{- $units := dict "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mul (regexFind "^[0-9]+" .Values.spool.size | int64) (index $units (regexFind "[MGT]i$" .Values.spool.size) | int64) -}}
{{- end -}}

{{/* Time from SIGTERM to the kill. A spool that ends with the pod must be drained by then. */}}
{{- define "eventgate.drainSeconds" -}}
{{- add (int .Values.drainSeconds) (eq .Values.spool.storage "emptyDir" | ternary (int .Values.spool.drainSeconds) 0) -}}
{{- end -}}

{{/* The values' streams as a map; it has an "Error" if a text is not a map. Only for checks, because Helm sorts maps. */}}
{{- define "eventgate.streamMap" -}}
{{- kindIs "string" .Values.streams | ternary .Values.streams (toYaml .Values.streams) | fromYaml | toYaml -}}
{{- end -}}

{{/* The stream configuration: streams, and the stream of the chart's test event. */}}
{{- define "eventgate.streams" -}}
{{- $test := include "eventgate.testStream" . -}}
{{- $streams := include "eventgate.streamMap" . | fromYaml -}}
{{- $isKnown := or (hasKey .Values.config "test_events") (hasKey $streams $test) -}}
{{- range $name, $_ := $streams -}}
{{- if regexMatch "^/.+/$" $name -}}
{{- $isKnown = or $isKnown (regexMatch ($name | trimPrefix "/" | trimSuffix "/") $test) -}}
{{- end -}}
{{- end -}}
{{- $own := printf "%s: {schema_title: test/event}" (quote $test) -}}
{{- $text := kindIs "string" .Values.streams | ternary .Values.streams (toYaml .Values.streams) | trimSuffix "\n" -}}
{{- if $isKnown -}}
{{- $text -}}
{{- else if hasPrefix "{" (trim $text) -}}
{{- printf "{%s, %s" $own (trim $text | trimPrefix "{") -}}
{{- else -}}
{{- printf "%s\n%s" $text $own -}}
{{- end -}}
{{- end -}}

{{- define "eventgate.testStream" -}}
{{- printf "%s.test.event" (include "eventgate.serviceName" .) -}}
{{- end -}}

{{/* kafka.conf as YAML if events are produced to Kafka; else nothing. */}}
{{- define "eventgate.kafkaConf" -}}
{{- $producer := .Values.config.producer | default (empty .Values.config.kafka | ternary "file" "kafka") -}}
{{- if eq $producer "kafka" }}{{ (.Values.config.kafka | default dict).conf | default dict | toYaml }}{{ end -}}
{{- end -}}

{{- define "eventgate.brokers" -}}
{{- $conf := include "eventgate.kafkaConf" . | fromYaml -}}
{{- index $conf "metadata.broker.list" | default (index $conf "bootstrap.servers") | default "" -}}
{{- end -}}

{{/* The port of an http(s) URI; nothing for another URI, or for one within the pod. */}}
{{- define "eventgate.uriPort" -}}
{{- $authority := regexFind "^https?://[^/?#]+" . -}}
{{- if and $authority (not (regexMatch "//(localhost|127\\.[0-9.]+|\\[::1\\])(:[0-9]+)?$" $authority)) -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- $port | default (hasPrefix "https:" $authority | ternary "443" "80") -}}
{{- end -}}
{{- end -}}
