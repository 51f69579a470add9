package schema

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// message says what a failure is, to be read after the place it is about. The
// library's own messages quote the whole value.
func message(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, is %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Const:
		return "must be " + constant(k.Want)
	case *kind.Enum:
		return "must be one of " + constants(k.Want)
	case *kind.Format:
		return fmt.Sprintf("must be of the format %s", guard.Quoted(k.Want))
	case *kind.Not:
		return "matches the schema that it must not match (not)"
	case *kind.AnyOf:
		return "matches none of the alternatives (anyOf)"
	case *kind.OneOf:
		if k.Subschemas == nil {
			return "matches none of the alternatives (oneOf)"
		}
		return fmt.Sprintf("matches the alternatives %d and %d, must match one (oneOf)", k.Subschemas[0], k.Subschemas[1])
	case *kind.FalseSchema:
		return "is not allowed"
	case *kind.RefCycle:
		return "cannot be validated: the schema refers to itself"
	}
	return cmp.Or(objectMessage(k), arrayMessage(k), scalarMessage(k))
}

func objectMessage(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "has no " + names(k.Missing)
	case *kind.Dependency:
		return fmt.Sprintf("has no %s, required with %s", names(k.Missing), guard.Quoted(k.Prop))
	case *kind.DependentRequired:
		return fmt.Sprintf("has no %s, required with %s", names(k.Missing), guard.Quoted(k.Prop))
	case *kind.AdditionalProperties:
		return "has properties that are not allowed: " + names(k.Properties)
	case *kind.PropertyNames:
		return "has a property whose name is not allowed: " + guard.Quoted(k.Property)
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d properties, has %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d properties, has %d", k.Want, k.Got)
	}
	return ""
}

func arrayMessage(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, has %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, has %d", k.Want, k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %d items more than are allowed", k.Count)
	case *kind.UniqueItems:
		return fmt.Sprintf("has equal items at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "has no item of the kind it must contain"
	case *kind.MinContains:
		return fmt.Sprintf("must contain at least %d items of a kind, has %d", k.Want, len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must contain at most %d items of a kind, has %d", k.Want, len(k.Got))
	}
	return ""
}

func scalarMessage(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, has %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, has %d", k.Want, k.Got)
	case *kind.Pattern:
		return "must match " + guard.Quoted(k.Want)
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	}
	return "is not valid"
}

// constants shows the first few of a schema's constants.
func constants(all []any) string {
	const shown = 5
	var b strings.Builder
	for i, c := range all {
		if i == shown {
			fmt.Fprintf(&b, " and %d others", len(all)-shown)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(constant(c))
	}
	return b.String()
}

func constant(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "the object in the schema"
	case []any:
		return "the array in the schema"
	case string:
		return guard.Quoted(v)
	default:
		return guard.Cut(fmt.Sprint(v))
	}
}

// names shows as many of the names as there is room for. Those of a value come in no
// order, and one message is to be the same each time.
func names(all []string) string {
	return guard.Quoted(strings.Join(slices.Sorted(slices.Values(all)), ", "))
}

// decimal returns a bound with all its digits.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return guard.Cut(r.FloatString(digits))
}
