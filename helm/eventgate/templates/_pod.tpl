{{/* The pods of the Deployment or the StatefulSet. */}}
{{- define "eventgate.pod" -}}
{{- $v := .Values -}}
{{- $tls := $v.secrets.kafkaTls -}}
{{- $sasl := $v.secrets.kafkaSasl -}}
{{- $spool := $v.spool.storage -}}
metadata:
  labels:
    {{- include "eventgate.labels" . | nindent 4 }}
    {{- with $v.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- if eq (include "eventgate.scrape" .) "annotations" }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ int $v.metrics.port | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with $v.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "eventgate.fullname" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $v.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  # Some clients still send here until they know that the pod ends. It serves them as long as they wait.
  terminationGracePeriodSeconds: {{ add (int $v.clientTimeoutSeconds) 1 (include "eventgate.drainSeconds" . | int) }}
  securityContext: {{- include "eventgate.podSecurityContext" . | nindent 4 }}
  {{- with $v.sidecars }}
  initContainers:
    {{- range . }}
    - {{- merge (dict "restartPolicy" "Always") . | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
  containers:
    - name: eventgate
      image: {{ include "eventgate.image" . | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [-c, /etc/eventgate/config.yaml]
      ports:
        - name: http
          containerPort: {{ include "eventgate.port" . }}
        - name: metrics
          containerPort: {{ int $v.metrics.port }}
      env:
        - name: NODE_OPTIONS
          value: --max-old-space-size={{ int $v.heapLimitMb }} {{ $v.nodeOptions }}
        {{- if $sasl.secretName }}
        {{- range $variable, $key := dict "KAFKA_SASL_USERNAME" $sasl.username "KAFKA_SASL_PASSWORD" $sasl.password }}
        - name: {{ $variable }}
          valueFrom:
            secretKeyRef:
              name: {{ $sasl.secretName }}
              key: {{ $key }}
        {{- end }}
        {{- end }}
        {{- with $v.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $v.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ add (int $v.clientTimeoutSeconds) 1 }}
      # The port opens once everything is fetched that is fetched at the start.
      startupProbe:
        httpGet: { path: /_info/startup, port: http }
        periodSeconds: 1
        failureThreshold: {{ int $v.startSeconds }}
        timeoutSeconds: 1
      # Does not depend on Kafka unless config.unready_without_kafka_ms is set.
      readinessProbe:
        httpGet: { path: /_info/ready, port: http }
        periodSeconds: 5
        failureThreshold: 2
        timeoutSeconds: 2
      # A minute of a blocked event loop. Load alone is no reason to kill.
      livenessProbe:
        httpGet: { path: /_info/live, port: http }
        periodSeconds: 10
        failureThreshold: 6
        timeoutSeconds: 5
      resources: {{- toYaml $v.resources | nindent 8 }}
      securityContext: {{- include "eventgate.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/eventgate
          readOnly: true
        {{- if $tls.secretName }}
        - name: kafka-tls
          mountPath: /etc/kafka-tls
          readOnly: true
        {{- end }}
        {{- if $v.schemasVolume }}
        - name: schemas
          mountPath: /srv/schemas
          readOnly: true
        {{- end }}
        {{- if ne $spool "none" }}
        - name: spool
          mountPath: /var/lib/eventgate
        {{- end }}
        {{- with $v.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "eventgate.fullname" . }}
    {{- if $tls.secretName }}
    - name: kafka-tls
      secret:
        secretName: {{ $tls.secretName }}
        defaultMode: 0440
    {{- end }}
    {{- with $v.schemasVolume }}
    - name: schemas
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if eq $spool "emptyDir" }}
    - name: spool
      emptyDir:
        sizeLimit: {{ $v.spool.size }}
    {{- end }}
    {{- with $v.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- if ne $v.topologySpread "none" }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: {{ $v.topologySpread }}
      labelSelector:
        matchLabels: {{- include "eventgate.selector" $ | nindent 10 }}
      matchLabelKeys: [{{ eq $spool "persistent" | ternary "controller-revision-hash" "pod-template-hash" }}]
    {{- end }}
  {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
