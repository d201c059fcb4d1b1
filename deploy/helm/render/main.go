// Renders the chart beside it as helm does, for tests on machines without helm.
//
//	render CHART RELEASE NAMESPACE [VALUES...]
//
// The engine is helm's own: Go's text/template with the functions of sprig, and gojsonschema for
// values.schema.json. What helm adds in its own code is written anew here as far as the chart uses
// it: include, toYaml, required, .Files.Get, merging values (null removes a default), the built-in
// objects. A function that the chart does not use is missing, so that using it fails the test.
//
// Output: {"values": merged, "documents": {template: text}} as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/xeipuuv/gojsonschema"
	"gopkg.in/yaml.v3"
)

type object = map[string]interface{}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: render CHART RELEASE NAMESPACE [VALUES...]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(chart, release, namespace string, files []string) error {
	values, err := readYAML(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		over, err := readYAML(file)
		if err != nil {
			return err
		}
		merge(values, over)
	}
	if err := check(filepath.Join(chart, "values.schema.json"), values); err != nil {
		return err
	}
	documents, err := render(chart, release, namespace, values)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(object{"values": values, "documents": documents})
}

// As helm reads YAML: by way of JSON, so every number is a float64.
func readYAML(path string) (object, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tree interface{}
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	values := object{}
	if err := json.Unmarshal(asJSON, &values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

func merge(into, over object) {
	for key, value := range over {
		inner, isObject := value.(object)
		outer, wasObject := into[key].(object)
		switch {
		case value == nil:
			delete(into, key)
		case isObject && wasObject:
			merge(outer, inner)
		default:
			into[key] = value
		}
	}
}

func check(schema string, values object) error {
	text, err := os.ReadFile(schema)
	if err != nil {
		return err
	}
	result, err := gojsonschema.Validate(
		gojsonschema.NewBytesLoader(text), gojsonschema.NewGoLoader(values))
	if err != nil {
		return fmt.Errorf("%s: %w", schema, err)
	}
	var wrong []string
	for _, problem := range result.Errors() {
		wrong = append(wrong, problem.String())
	}
	if len(wrong) > 0 {
		return fmt.Errorf("values do not meet the schema: %s", strings.Join(wrong, "; "))
	}
	return nil
}

func render(chart, release, namespace string, values object) (map[string]string, error) {
	about, err := readYAML(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	top := object{
		"Values": values,
		"Chart": object{
			"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"],
		},
		"Release": object{"Name": release, "Namespace": namespace, "Service": "Helm"},
		"Files":   chartFiles{chart},
	}
	all, err := parse(chart)
	if err != nil {
		return nil, err
	}
	documents := map[string]string{}
	for _, one := range all.Templates() {
		name := one.Name()
		if !strings.Contains(name, ".") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "netkeep.") {
			continue
		}
		var text bytes.Buffer
		if err := one.Execute(&text, top); err != nil {
			return nil, err
		}
		// Helm's engine does the same: a missing key must not reach the cluster as text.
		documents[name] = strings.ReplaceAll(text.String(), "<no value>", "")
	}
	return documents, nil
}

func parse(chart string) (*template.Template, error) {
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(sprig.TxtFuncMap()).Funcs(template.FuncMap{
		"include": func(name string, data interface{}) (string, error) {
			var text strings.Builder
			err := all.ExecuteTemplate(&text, name, data)
			return text.String(), err
		},
		"toYaml":   toYAML,
		"required": required,
	})
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// As helm writes YAML: by way of JSON, so a whole number is written as one.
func toYAML(value interface{}) (string, error) {
	asJSON, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if err := yaml.Unmarshal(asJSON, &value); err != nil {
		return "", err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

func required(message string, value interface{}) (interface{}, error) {
	if value == nil || value == "" {
		return nil, errors.New(message)
	}
	return value, nil
}

type chartFiles struct{ chart string }

// Get fails for a missing file, where helm gives an empty text.
func (files chartFiles) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(files.chart, name))
	return string(text), err
}
