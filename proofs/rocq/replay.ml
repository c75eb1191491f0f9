(* Replays a trace on the extracted machine, or prints latencies or segments of the generator's
   circuits.

   replay: the first line has the fields of a word, `x48 a16`; each further line a cycle: lane 0's
   command `ADDR CODE DATA` or `-`, then `ADDR DATA` for each other lane that accumulates. Data is
   hexadecimal. Prints a line `DATA CLEAN` for each response.

   latency: each line has `ADDS WIDTH ADDRESS_BITS LANES WORD_REGISTERS FIELDS...`, where FIELDS are
   the widths of the fields that add. Prints latency and clear cycles.

   segments: each line has the most bits of a segment that xors, and the fields of a word. Prints
   the segments from the lowest up, as the generator's modules are called: `add11_low add11_high`. *)

open Machine

let bit number digit =
  match number, digit with
  | N0, false -> N0
  | N0, true -> Npos XH
  | Npos p, false -> Npos (XO p)
  | Npos p, true -> Npos (XI p)

let of_hex text =
  let digit number c =
    let value = int_of_string (Printf.sprintf "0x%c" c) in
    List.fold_left (fun n place -> bit n (value land place <> 0)) number [8; 4; 2; 1] in
  String.fold_left digit N0 text

let of_int value = of_hex (Printf.sprintf "%x" value)

let to_hex width number =
  let bits = Bytes.make (4 * width) '0' in
  let rec fill at = function
    | XH -> Bytes.set bits at '1'
    | XO p -> fill (at + 1) p
    | XI p -> Bytes.set bits at '1'; fill (at + 1) p in
  (match number with N0 -> () | Npos p -> fill 0 p);
  let place at digit = if Bytes.get bits at = '1' then digit else 0 in
  String.init width (fun i ->
    let low = 4 * (width - 1 - i) in
    let value = place low 1 + place (low + 1) 2 + place (low + 2) 4 + place (low + 3) 8 in
    "0123456789abcdef".[value])

let rec lines () = match read_line () with
  | line -> String.split_on_char ' ' line :: lines ()
  | exception End_of_file -> []

let number text = int_of_string (String.sub text 1 (String.length text - 1))

let field text =
  ((if text.[0] = 'x' then Xor else Add), of_int (number text))

let rec lanes = function
  | addr :: data :: rest -> (int_of_string addr, of_hex data) :: lanes rest
  | _ -> []

let cycle = function
  | "-" :: rest -> (None, lanes rest)
  | addr :: code :: data :: rest ->
    (Some (int_of_string addr, (int_of_string code, of_hex data)), lanes rest)
  | _ -> failwith "a cycle starts with `-` or with address, code and data"

let respond width = function
  | Some (data, clean) -> Printf.printf "%s %b\n" (to_hex width data) clean
  | None -> ()

let replay_trace = function
  | fields :: cycles ->
    let width = List.fold_left (fun sum text -> sum + number text) 0 fields in
    List.iter (respond ((width + 3) / 4)) (replay (List.map field fields) (List.map cycle cycles))
  | [] -> failwith "the first line has the fields of a word"

let latency line = match List.map int_of_string line with
  | adds :: word_width :: address_bits :: lane_number :: word_registers :: adding_fields ->
    let design = { adds = adds <> 0; word_width; adding_fields; address_bits; lane_number;
                   word_registers } in
    Printf.printf "%d %d\n" (latency_ design) (clear_ design)
  | _ -> failwith "five numbers, then the fields that add"

let segments most text =
  let kind = if text.[0] = 'x' then Xor else Add in
  let bits = segment_bits most (kind, number text) in
  let last = List.length bits - 1 in
  let place i =
    if kind = Xor || last = 0 then "" else if i = 0 then "_low"
    else if i = last then "_high" else "_mid" in
  let name i bits = Printf.sprintf "%s%d%s" (if kind = Xor then "xor" else "add") bits (place i) in
  List.mapi name bits

let print_segments = function
  | most :: fields ->
    print_endline (String.concat " " (List.concat_map (segments (int_of_string most)) fields))
  | [] -> failwith "a number, then the fields of a word"

let () = match Sys.argv with
  | [| _; "replay" |] -> replay_trace (lines ())
  | [| _; "latency" |] -> List.iter latency (lines ())
  | [| _; "segments" |] -> List.iter print_segments (lines ())
  | _ -> prerr_endline "usage: replay replay|latency|segments < LINES"; exit 2
