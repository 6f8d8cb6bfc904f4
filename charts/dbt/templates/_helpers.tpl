{{- define "dbt.labels" -}}
app.kubernetes.io/name: dbt
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Airflow's operators put their arguments into the container called "base". */}}
{{- define "dbt.pod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: dbt
  namespace: {{ .Release.Namespace }}
  # The policies let pods with this label through to S3.
  labels:
    app.kubernetes.io/name: dbt
    app.kubernetes.io/instance: {{ .Release.Name }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .Release.Name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: base
      image: {{ .Values.image }}
      imagePullPolicy: IfNotPresent
      envFrom:
        - configMapRef: {name: {{ .Values.configMap }}}
        - secretRef: {name: {{ .Values.existingSecret }}}
      env:
        - {name: HOME, value: /tmp}
        - {name: DBT_TARGET_PATH, value: /tmp/target}
        - {name: DBT_LOG_PATH, value: /tmp/logs}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: scratch, mountPath: /tmp}
  volumes:
    - name: scratch
      emptyDir: {sizeLimit: {{ .Values.scratch }}}
{{- end }}
