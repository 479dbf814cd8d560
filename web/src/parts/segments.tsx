/** A choice of a few, all of them seen. */
export function Segments<T extends string>({ options, value, label, onChange }: {
  options: readonly (readonly [T, string])[];
  value: T;
  label: string;
  onChange: (value: T) => void;
}) {
  return (
    <span class="segments" role="group" aria-label={label}>
      {options.map(([key, text]) => (
        <button type="button" aria-pressed={value === key} onClick={() => onChange(key)}>{text}</button>
      ))}
    </span>
  );
}
