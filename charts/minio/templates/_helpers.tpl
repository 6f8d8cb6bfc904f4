{{- define "minio.selector" -}}
app.kubernetes.io/name: minio
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "minio.labels" -}}
app.kubernetes.io/name: minio
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "minio.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "minio.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* What one user may do: everything in its buckets, or only read there; nothing else. */}}
{{- define "minio.policy" -}}
{{- $buckets := list }}
{{- $objects := list }}
{{- range .buckets }}
{{- $buckets = append $buckets (printf "arn:aws:s3:::%s" .) }}
{{- $objects = append $objects (printf "arn:aws:s3:::%s/*" .) }}
{{- end }}
{{- $reading := list "s3:GetObject" }}
{{- $writing := list "s3:PutObject" "s3:DeleteObject" "s3:AbortMultipartUpload" "s3:ListMultipartUploadParts" }}
{{- dict "Version" "2012-10-17" "Statement" (list
  (dict "Effect" "Allow" "Action" (list "s3:GetBucketLocation" "s3:ListBucket" "s3:ListBucketMultipartUploads") "Resource" $buckets)
  (dict "Effect" "Allow" "Action" (ternary $reading (concat $reading $writing) (default false .readOnly)) "Resource" $objects)
) | toPrettyJson }}
{{- end }}

{{- /* The name by which the environment of a Job has a user's login. */}}
{{- define "minio.variable" -}}
{{ .name | replace "-" "_" | upper }}
{{- end }}

{{- /* The administrator's login for mc, which takes what is between "//" and the last "@" as it
stands, so nothing is escaped. */}}
{{- define "minio.rootAlias" -}}
- name: ROOT_USER
  valueFrom:
    secretKeyRef: {name: {{ .Values.existingSecret }}, key: rootUser}
- name: ROOT_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.existingSecret }}, key: rootPassword}
- name: MC_HOST_store
  value: http://$(ROOT_USER):$(ROOT_PASSWORD)@{{ .Release.Name }}:9000
{{- end }}
