{{/* The name of everything: the release's, with the chart's if it is not in there. */}}
{{- define "collimator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What never changes, to select by. */}}
{{- define "collimator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "collimator.labels" -}}
{{ include "collimator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "collimator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "collimator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The configuration: the one given, or else the chart's own. */}}
{{- define "collimator.config" -}}
{{- default (.Files.Get "files/container.yaml") .Values.config -}}
{{- end -}}
