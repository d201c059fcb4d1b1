{{- define "netkeep.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "netkeep.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "netkeep.labels" -}}
{{ include "netkeep.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
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

{{/* Numbers of values are floats, and a large one as text is 1.6e+07, which is no whole number. */}}
{{- define "netkeep.config" -}}
{{- range $key, $value := .Values.config }}
{{- $key }}: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else if kindIs "bool" $value }}{{ $value }}{{ else }}{{ int64 $value }}{{ end }}
{{ end -}}
metrics: {{ printf "%s:%d" (include "netkeep.metricsAddress" .) (int .Values.metrics.port) | quote }}
{{- end -}}
