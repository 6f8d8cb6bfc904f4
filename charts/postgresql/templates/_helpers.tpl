{{- define "postgresql.labels" -}}
app.kubernetes.io/name: postgresql
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* The cluster in use: a restore makes another one beside the first. */}}
{{- define "postgresql.cluster" -}}
{{- $generation := int .Values.recovery.generation -}}
{{ .Release.Name }}{{ if gt $generation 1 }}-{{ $generation }}{{ end }}
{{- end }}

{{- define "postgresql.plugin" -}}
name: barman-cloud.cloudnative-pg.io
{{- end }}

{{- define "postgresql.initdb" -}}
{{- $first := first .Values.databases -}}
initdb:
  database: {{ $first.name }}
  owner: {{ $first.owner }}
  secret:
    name: {{ $first.existingSecret }}
  dataChecksums: true
{{- end }}

{{- /* What the cluster in use is made from: an archive, or nothing. */}}
{{- define "postgresql.bootstrap" -}}
{{- if .Values.recovery.source -}}
{{- $first := first .Values.databases -}}
recovery:
  source: archive
  database: {{ $first.name }}
  owner: {{ $first.owner }}
  secret:
    name: {{ $first.existingSecret }}
  {{- with .Values.recovery.targetTime }}
  recoveryTarget:
    targetTime: {{ . | quote }}
  {{- end }}
{{- else -}}
{{- include "postgresql.initdb" . }}
{{- end }}
{{- end }}

{{- /* One cluster; called with root, name, and whether it sleeps: it has its volumes, and no pod. */}}
{{- define "postgresql.cluster-object" -}}
{{- $root := .root }}
{{- $owners := list }}
{{- range $root.Values.databases }}
{{- $owners = append $owners .owner }}
{{- end }}
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "postgresql.labels" $root | nindent 4 }}
  {{- if .asleep }}
  annotations:
    cnpg.io/hibernation: "on"
  {{- end }}
spec:
  imageName: {{ $root.Values.image }}
  instances: {{ $root.Values.instances }}
  # One instance cannot move away from a node: its budget would block every drain for ever.
  enablePDB: {{ gt (int $root.Values.instances) 1 }}
  enableSuperuserAccess: false
  primaryUpdateStrategy: unsupervised
  affinity:
    enablePodAntiAffinity: true
    podAntiAffinityType: required
    topologyKey: kubernetes.io/hostname
  storage:
    size: {{ $root.Values.storage.size }}
    {{- with $root.Values.storage.storageClass }}
    storageClass: {{ . }}
    {{- end }}
  resources: {{- toYaml $root.Values.resources | nindent 4 }}
  bootstrap:
    {{- include (ternary "postgresql.initdb" "postgresql.bootstrap" .asleep) $root | nindent 4 }}
  {{- if and $root.Values.recovery.source (not .asleep) }}
  externalClusters:
    - name: archive
      plugin:
        {{- include "postgresql.plugin" $root | nindent 8 }}
        parameters:
          barmanObjectName: {{ $root.Release.Name }}
          serverName: {{ $root.Values.recovery.source }}
  {{- end }}
  {{- if $root.Values.backup.destinationPath }}
  plugins:
    - {{- include "postgresql.plugin" $root | nindent 6 }}
      isWALArchiver: true
      parameters:
        barmanObjectName: {{ $root.Release.Name }}
        # Each cluster's archive has a folder of its own: a new one refuses a folder with content.
        serverName: {{ .name }}
  {{- end }}
  postgresql:
    {{- with $root.Values.parameters }}
    parameters: {{- toYaml . | nindent 6 }}
    {{- end }}
    # The first line that fits decides: each role enters its own database, over TLS, and no other.
    pg_hba:
      {{- range $root.Values.databases }}
      - hostssl {{ .name }} {{ .owner }} all scram-sha-256
      {{- end }}
      - host all {{ join "," $owners }} all reject
  managed:
    roles:
      {{- range $root.Values.databases }}
      - name: {{ .owner }}
        ensure: present
        login: true
        superuser: false
        createdb: false
        createrole: false
        inherit: true
        passwordSecret:
          name: {{ .existingSecret }}
      {{- end }}
{{- end }}
