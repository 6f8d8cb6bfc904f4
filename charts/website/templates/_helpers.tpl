{{- define "website.selector" -}}
app.kubernetes.io/name: website
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "website.labels" -}}
{{ include "website.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
