{{- define "netkeep.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "netkeep.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "netkeep.labels" -}}
{{ include "netkeep.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "netkeep.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "netkeep.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "netkeep.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Where metrics are served; loopback unless somebody is to scrape them. */}}
{{- define "netkeep.metricsAddress" -}}
{{- default (ternary "0.0.0.0" "127.0.0.1" .Values.podMonitor.enabled) .Values.metrics.address -}}
{{- end -}}

{{/* Where the kubelet asks: loopback answers for all addresses, another address only for itself. */}}
{{- define "netkeep.probeHost" -}}
{{- $address := include "netkeep.metricsAddress" . -}}
{{- if has $address (list "0.0.0.0" "[::]") -}}127.0.0.1{{- else -}}{{ trimAll "[]" $address }}{{- end -}}
{{- end -}}

{{- define "netkeep.config" -}}
{{- with .Values.config }}
{{- toYaml . }}
{{ end -}}
metrics: {{ printf "%s:%d" (include "netkeep.metricsAddress" .) (int .Values.metrics.port) | quote }}
{{- end -}}
