{{- define "api.selector" -}}
app.kubernetes.io/name: api
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "api.labels" -}}
{{ include "api.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Where an autoscaler counts, as many as run: left out, Helm would make one of them. */}}
{{- define "api.replicas" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace .Release.Name -}}
{{- if and .Values.autoscaling.maxReplicas $running -}}
{{ max .Values.replicas $running.spec.replicas }}
{{- else -}}
{{ .Values.replicas }}
{{- end -}}
{{- end }}
