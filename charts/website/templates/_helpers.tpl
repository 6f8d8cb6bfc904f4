{{- define "website.selector" -}}
app.kubernetes.io/name: website
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "website.labels" -}}
{{ include "website.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Where an autoscaler counts, as many as run: left out, Helm would make one of them. */}}
{{- define "website.replicas" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace .Release.Name -}}
{{- if and .Values.autoscaling.maxReplicas $running -}}
{{ max .Values.replicas $running.spec.replicas }}
{{- else -}}
{{ .Values.replicas }}
{{- end -}}
{{- end }}
