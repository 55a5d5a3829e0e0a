"""Nouns for what people have, wear and eat: ``english spanish gender``, an irregular plural after a slash."""

from __future__ import annotations

THINGS = """
key llave f; lamp lámpara f; book libro m; map mapa m; coin moneda f; ring anillo m; mirror espejo m; clock reloj m;
letter carta f; candle vela f; rope cuerda f; plate plato m; spoon cuchara f; knife/knives cuchillo m; fork tenedor m; pan sartén f;
blanket manta f; pillow almohada f; chair silla f; stool taburete m; bench/benches banco m; broom escoba f; hammer martillo m; nail clavo m;
saw sierra f; ladder escalera f; wheel rueda f; bicycle bicicleta f; oar remo m; net red f; hook gancho m; flag bandera f;
drum tambor m; flute flauta f; guitar guitarra f; violin violín m; bell campana f; whistle silbato m; trumpet trompeta f; harp arpa f;
doll muñeca f; ball pelota f; kite cometa f; puppet marioneta f; puzzle rompecabezas m/rompecabezas; mask máscara f; toy juguete m; pencil lápiz m;
pen bolígrafo m; notebook cuaderno m; newspaper periódico m; poster cartel m; stamp sello m; envelope sobre m; ticket boleto m; picture cuadro m;
photograph fotografía f; statue estatua f; carpet alfombra f; curtain cortina f; lock candado m; chain cadena f; button botón m; needle aguja f;
thread hilo m; necklace collar m; bracelet pulsera f; earring pendiente m; brooch/brooches broche m; crown corona f; telescope telescopio m; compass/compasses brújula f;
lantern farol m; torch/torches antorcha f; match/matches fósforo m; kettle tetera f; tray bandeja f; parcel paquete m; camera cámara f; radio radio f;
telephone teléfono m; machine máquina f; engine motor m; spring resorte m; magnet imán m; lens/lenses lente f; brush/brushes cepillo m; comb peine m;
soap jabón m; towel toalla f; sponge esponja f; feather pluma f; shell concha f; stone piedra f; brick ladrillo m; plank tabla f;
log tronco m; stick palo m; cane bastón m; shield escudo m; sword espada f; arrow flecha f; medal medalla f; trophy/trophies trofeo m;
prize premio m; gift regalo m; treasure tesoro m; jewel joya f; pearl perla f; diamond diamante m; globe mapamundi m; calendar calendario m;
diary/diaries diario m; recipe receta f; painting pintura f; sketch/sketches boceto m; axe hacha f; anchor ancla f; bow arco m; spear lanza f;
shovel pala f; rake rastrillo m; plough arado m; sickle hoz f; clamp mordaza f; screw tornillo m; drill taladro m;
ruler regla f; chessboard tablero m; card naipe m; marble canica f; sled trineo m; skate patín m; tambourine pandereta f; accordion acordeón m;
piano piano m; cello violonchelo m; microscope microscopio m; thermometer termómetro m; barometer barómetro m; sundial cuadrante m; battery/batteries pila f;
cable cable m; propeller hélice f; pulley polea f; lever palanca f; pipe tubo m; tap grifo m; hose manguera f; funnel embudo m;
strainer colador m; grater rallador m; tablecloth mantel m; napkin servilleta f; cushion cojín m; mattress/mattresses colchón m; hammock hamaca f; cradle cuna f;
rug tapete m; screen biombo m; fan abanico m; parasol sombrilla f; tent carpa f; saddle montura f; bridle brida f; horseshoe herradura f;
stirrup estribo m; whip látigo m; amulet amuleto m; relic reliquia f; ruby/rubies rubí m; emerald esmeralda f; sapphire zafiro m; goblet copa f;
candlestick candelabro m; inkwell tintero m; scroll pergamino m; manuscript manuscrito m; dictionary/dictionaries diccionario m; novel novela f; magazine revista f; postcard postal f;
invoice factura f; contract contrato m; passport pasaporte m; certificate certificado m; portrait retrato m; mosaic mosaico m; vase florero m; figurine figurilla f;
rattle sonajero m; top peonza f; balloon globo m; firework cohete m; bolt cerrojo m; hinge bisagra f; spool carrete m; pin alfiler m
"""

CONTAINERS = """
box/boxes caja f; bag bolsa f; basket cesta f; bottle botella f; cup taza f; pot olla f; drawer cajón m; trunk baúl m;
barrel barril m; bucket cubo m; purse monedero m; wallet cartera f; jar frasco m; sack saco m; suitcase maleta f; chest cofre m;
backpack mochila f; wardrobe armario m; cupboard alacena f; bowl cuenco m; pitcher jarra f; tub tina f; cage jaula f;
pocket bolsillo m; cart carreta f; wagon vagón m; boat barca f; canoe canoa f; hamper canasto m; case estuche m; pouch/pouches talega f;
cabinet vitrina f; crate huacal m; urn urna f; nest nido m; mailbox/mailboxes buzón m; locker casillero m
"""

CLOTHES = """
hat sombrero m; coat abrigo m; shirt camisa f; skirt falda f; dress/dresses vestido m; shoe zapato m; boot bota f; glove guante m;
scarf/scarves bufanda f; belt cinturón m; apron delantal m; jacket chaqueta f; sock calcetín m; cap gorra f; cloak capa f; umbrella paraguas m/paraguas;
ribbon cinta f; blouse blusa f; vest chaleco m; sweater suéter m; shawl chal m; sandal sandalia f; slipper pantufla f; helmet casco m;
robe túnica f; uniform uniforme m; suit traje m; tie corbata f; handkerchief pañuelo m; veil velo m; cape esclavina f; raincoat impermeable m;
poncho poncho m; turban turbante m; beret boina f; wig peluca f; costume disfraz m; tunic sayo m
"""

FOODS = """
apple manzana f; pear pera f; orange naranja f; lemon limón m; grape uva f; plum ciruela f; cherry/cherries cereza f; peach/peaches melocotón m;
strawberry/strawberries fresa f; banana plátano m; melon melón m; fig higo m; nut nuez f/nueces; almond almendra f; chestnut castaña f; olive aceituna f;
carrot zanahoria f; onion cebolla f; potato/potatoes patata f; tomato/tomatoes tomate m; pepper pimiento m; cabbage repollo m; lettuce lechuga f; pumpkin calabaza f;
bean frijol m; pea guisante m; mushroom seta f; egg huevo m; cheese queso m; loaf/loaves pan m; cake pastel m; pie tarta f;
cookie galleta f; pancake tortita f; sandwich/sandwiches bocadillo m; soup sopa f; stew guiso m; sausage salchicha f; ham jamón m; trout/trout trucha f;
candy/candies caramelo m; chocolate chocolate m; salad ensalada f; omelette tortilla f; biscuit bizcocho m; pudding flan m; dumpling empanada f; pineapple piña f;
mango mango m; papaya papaya f; coconut coco m; apricot albaricoque m; raspberry/raspberries frambuesa f; blackberry/blackberries mora f; date dátil m; raisin pasa f;
hazelnut avellana f; turnip nabo m; radish/radishes rábano m; beetroot remolacha f; cucumber pepino m; eggplant berenjena f; artichoke alcachofa f;
garlic/garlics ajo m; leek puerro m; squash/squashes calabacín m; chickpea garbanzo m; lentil lenteja f; sardine sardina f; shrimp/shrimp camarón m; oyster ostra f;
meatball albóndiga f; croquette croqueta f; fritter buñuelo m; doughnut rosquilla f; roll panecillo m; wafer oblea f; nougat turrón m; custard natilla f;
lollipop piruleta f; jelly/jellies gelatina f; tart tartaleta f; broth caldo m; roast asado m; chop chuleta f; steak filete m; pickle encurtido m
"""
